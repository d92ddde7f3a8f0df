#include "kernels/simt/fibre.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

namespace espalier::simt {

unsigned char* make_stack(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* mapped =
      mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  mprotect(mapped, page, PROT_NONE);
  return static_cast<unsigned char*>(mapped) + page;
}

// Both ABIs keep some registers across a call; a switch saves them on the stack that it leaves and
// takes them from the one it enters.
#if defined(__x86_64__)
asm(R"(
.text
.type espalier_switch_stacks, @function
espalier_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size espalier_switch_stacks, .-espalier_switch_stacks
)");
constexpr size_t saved_registers = 6;
constexpr size_t entry_slot = saved_registers, frame_slots = saved_registers + 2;
#elif defined(__aarch64__)
asm(R"(
.text
.type espalier_switch_stacks, %function
espalier_switch_stacks:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size espalier_switch_stacks, .-espalier_switch_stacks
)");
constexpr size_t entry_slot = 11, frame_slots = 20;
#else
#error "the emulator of GPUs knows how to switch stacks on x86-64 and AArch64 alone"
#endif

extern "C" void espalier_switch_stacks(void** save, void* load) noexcept;

void start(Fibre& fibre, void (*entry)()) noexcept {
  const auto top = reinterpret_cast<uintptr_t>(fibre.stack + fibre.stack_bytes) / 16 * 16;
  auto* frame = reinterpret_cast<uintptr_t*>(top) - frame_slots;
  for (size_t i = 0; i < frame_slots; ++i) frame[i] = 0;
  frame[entry_slot] = reinterpret_cast<uintptr_t>(entry);
  fibre.stack_pointer = frame;
}

void switch_to(Fibre& from, Fibre& to) noexcept {
  espalier_switch_stacks(&from.stack_pointer, to.stack_pointer);
}

}  // namespace espalier::simt
