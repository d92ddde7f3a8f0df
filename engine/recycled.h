// Memory for the small objects that a training step makes and drops again and again: handles of
// tensors and storages, nodes of the tape and what their derivatives keep. Blocks of one size go
// round through a free list that all threads share, so that a steady step asks the heap for none.
#pragma once

#include <cstddef>
#include <vector>

namespace espalier {

// At least `bytes`, aligned as operator new aligns. Under a sanitizer every block is the heap's
// own, so that a use after its end is found.
void* take_block(size_t bytes);
void give_block(void* block, size_t bytes) noexcept;

// A standard allocator over them: std::allocate_shared<Node>(Recycled<Node>()).
template <class T>
struct Recycled {
  using value_type = T;
  Recycled() = default;
  template <class U>
  Recycled(const Recycled<U>&) noexcept {}
  T* allocate(size_t count) { return static_cast<T*>(take_block(count * sizeof(T))); }
  void deallocate(T* p, size_t count) noexcept { give_block(p, count * sizeof(T)); }
  bool operator==(const Recycled&) const noexcept { return true; }
  static_assert(alignof(T) <= alignof(std::max_align_t));
};

template <class T>
using RecycledVector = std::vector<T, Recycled<T>>;

}  // namespace espalier
