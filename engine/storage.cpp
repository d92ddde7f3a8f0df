#include "engine/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "engine/error.h"
#include "engine/recycled.h"

namespace espalier {
namespace {

// Freed blocks by their size, each holding the address of the next.
class BlockCache {
 public:
  std::byte* take(size_t bytes) {
    const size_t size = Storage::block_size(bytes);
    const std::lock_guard lock(mutex_);
    in_use_ += size;
    peak_ = std::max(peak_, in_use_);
    if (FreeBlock*& first = free_[size]) {
      FreeBlock* block = first;
      first = block->next;
      cached_ -= size;
      return reinterpret_cast<std::byte*>(block);
    }
    try {
      return Storage::from_system(size);
    } catch (...) {
      in_use_ -= size;
      throw;
    }
  }

  void give(std::byte* block, size_t bytes) noexcept {
    const size_t size = Storage::block_size(bytes);
    const std::lock_guard lock(mutex_);
    FreeBlock*& first = free_[size];
    first = ::new (static_cast<void*>(block)) FreeBlock{first};
    in_use_ -= size;
    cached_ += size;
  }

  void release() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& [size, first] : free_)
      while (first) std::free(std::exchange(first, first->next));
    cached_ = 0;
  }

  MemoryStats stats() noexcept {
    const std::lock_guard lock(mutex_);
    return {in_use_, peak_, cached_};
  }

  void reset_peak() noexcept {
    const std::lock_guard lock(mutex_);
    peak_ = in_use_;
  }

 private:
  struct FreeBlock {
    FreeBlock* next;
  };

  std::mutex mutex_;
  std::map<size_t, FreeBlock*> free_;
  size_t in_use_ = 0, peak_ = 0, cached_ = 0;
};

// Never destroyed: tensors with static lifetime may outlive every other object.
BlockCache& cache() {
  static BlockCache& instance = *new BlockCache;
  return instance;
}

}  // namespace

// Sizes are an eighth of a power of two apart, so that a tensor whose size varies a little (a last,
// short batch) finds a block again and wastes at most an eighth.
size_t Storage::block_size(size_t bytes) noexcept {
  const size_t least = std::max(bytes, alignment);
  const size_t step = std::max(std::bit_floor(least) / 8, alignment);
  return (least + step - 1) / step * step;
}

std::byte* Storage::from_system(size_t bytes) {
  constexpr size_t huge_page = size_t{2} << 20, large = 2 * huge_page;
  const size_t boundary = bytes < large ? alignment : huge_page;
  const size_t size = (std::max(bytes, boundary) + boundary - 1) / boundary * boundary;
  void* block = std::aligned_alloc(boundary, size);
  if (!block) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  if (bytes >= large) madvise(block, bytes, MADV_HUGEPAGE);  // a wish, which may be refused
#endif
  return static_cast<std::byte*>(block);
}

std::shared_ptr<Storage> Storage::allocate(size_t bytes, Device device) {
  if (device.kind != Device::Kind::cpu) return allocate_on_gpu(bytes, device);
  std::byte* block = cache().take(bytes);
  try {
    return std::allocate_shared<Storage>(Recycled<Storage>(), Private(), block, bytes, device,
                                         nullptr);
  } catch (...) {
    cache().give(block, bytes);
    throw;
  }
}

std::shared_ptr<Storage> Storage::borrow(void* data, size_t bytes, std::function<void()> release) {
  if (!release) release = [] {};
  return std::allocate_shared<Storage>(Recycled<Storage>(), Private(),
                                       static_cast<std::byte*>(data), bytes, Device::cpu(),
                                       std::move(release));
}

Storage::~Storage() {
  if (device_.on_gpu())
    free_on_gpu(data_, bytes_, device_);
  else if (release_)
    release_();
  else
    cache().give(data_, bytes_);
}

MemoryStats memory_stats() noexcept { return cache().stats(); }
void reset_peak_memory() noexcept { cache().reset_peak(); }
void release_cached_memory() noexcept {
  cache().release();
  release_cached_gpu_memory();
}

}  // namespace espalier
