#include "engine/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
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

// Freed blocks by their size and the thread that freed them, each holding the address of the next.
// A thread takes its own first: they lie in the caches of its core, and would have to come from
// another's there. Threads of one training step that traded blocks took a sixth longer in fp32, a
// fourth in bf16, where the system had them on cores far from each other.
class BlockCache {
 public:
  std::byte* take(size_t bytes) {
    const size_t size = Storage::block_size(bytes);
    const std::lock_guard lock(mutex_);
    in_use_ += size;
    peak_ = std::max(peak_, in_use_);
    if (FreeBlock* const block = pop(size)) {
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
    FreeBlock*& first = free_[size][own_shelf()];
    first = ::new (static_cast<void*>(block)) FreeBlock{first};
    in_use_ -= size;
    cached_ += size;
  }

  void release() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& [size, lists] : free_)
      for (FreeBlock*& first : lists)
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

  // More threads than shelves share some.
  static constexpr size_t shelves = 16;
  static size_t own_shelf() noexcept {
    static std::atomic<size_t> threads{0};
    static thread_local const size_t shelf = threads.fetch_add(1) % shelves;
    return shelf;
  }

  // A free block of `size`, this thread's if it has one; null where nobody has.
  FreeBlock* pop(size_t size) noexcept {
    const auto found = free_.find(size);
    if (found == free_.end()) return nullptr;
    for (size_t i = 0; i < shelves; ++i)
      if (FreeBlock*& first = found->second[(own_shelf() + i) % shelves])
        return std::exchange(first, first->next);
    return nullptr;
  }

  std::mutex mutex_;
  std::map<size_t, std::array<FreeBlock*, shelves>> free_;  // a shelf's is null where it is empty
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
