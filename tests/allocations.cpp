#include "tests/allocations.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "engine/sanitizers.h"

namespace {

std::atomic<int64_t> count{0};

#if !ESPALIER_SANITIZED  // whose operators must stay
void* counted(size_t bytes, size_t alignment) {
  count.fetch_add(1, std::memory_order_relaxed);
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  if (void* block = std::aligned_alloc(alignment, rounded ? rounded : alignment)) return block;
  throw std::bad_alloc();
}
#endif

}  // namespace

#if !ESPALIER_SANITIZED
void* operator new(size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { std::free(block); }
#endif

namespace espalier::test {

int64_t allocations() noexcept { return count.load(); }

}  // namespace espalier::test
