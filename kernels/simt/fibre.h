// Fibres: functions with stacks of their own, between which one thread switches.
#pragma once

#include <cstddef>

namespace espalier::simt {

struct Fibre {
  void* stack_pointer = nullptr;
  unsigned char* stack = nullptr;
  size_t stack_bytes = 0;
};

// A stack with an inaccessible page under it. Throws std::bad_alloc.
unsigned char* make_stack(size_t bytes);

// The next switch to `fibre` calls `entry` at the top of its stack; it must not return.
void start(Fibre& fibre, void (*entry)()) noexcept;
// Goes on in `to`, and comes back when somebody switches to `from`.
void switch_to(Fibre& from, Fibre& to) noexcept;

}  // namespace espalier::simt
