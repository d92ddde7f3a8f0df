#include "engine/recycled.h"

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <new>

#include "engine/sanitizers.h"

namespace espalier {
namespace {

struct FreeBlock {
  FreeBlock* next;
};

// The free blocks of one size. They are made in slabs, each as large as all before it together, so
// that their number soon settles however the work of threads overlaps.
class FreeList {
 public:
  void* take(size_t size) {
    const std::lock_guard lock(mutex_);
    if (!first_) grow(size);
    FreeBlock* block = first_;
    first_ = block->next;
    return block;
  }
  void give(void* memory) noexcept {
    const std::lock_guard lock(mutex_);
    first_ = ::new (memory) FreeBlock{first_};
  }

 private:
  void grow(size_t size) {
    constexpr size_t least_slab = 16 * 1024, largest_slab = 256 * 1024;
    const size_t count = std::clamp<size_t>(made_, least_slab / size + 1, largest_slab / size + 1);
    auto* slab = static_cast<std::byte*>(::operator new(count* size));
    for (size_t i = count; i-- > 0;) first_ = ::new (slab + i * size) FreeBlock{first_};
    made_ += count;
  }

  std::mutex mutex_{};
  FreeBlock* first_ = nullptr;
  size_t made_ = 0;
};

constexpr size_t smallest = 32;

// One list for each power of two from `smallest`. Never destroyed: tensors with static lifetime may
// outlive every other object.
FreeList& list_of(size_t size) {
  static auto& lists = *new std::array<FreeList, 64>;
  return lists[static_cast<size_t>(std::countr_zero(size))];
}

size_t size_of_block(size_t bytes) noexcept { return std::bit_ceil(std::max(bytes, smallest)); }

}  // namespace

void* take_block(size_t bytes) {
  if (ESPALIER_SANITIZED) return ::operator new(bytes);
  const size_t size = size_of_block(bytes);
  return list_of(size).take(size);
}

void give_block(void* block, size_t bytes) noexcept {
  if (ESPALIER_SANITIZED) return ::operator delete(block);
  list_of(size_of_block(bytes)).give(block);
}

}  // namespace espalier
