// Reference-counted memory behind tensors.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "engine/device.h"

namespace espalier {

class Storage {
  struct Private {
    explicit Private() = default;
  };

 public:
  static constexpr size_t alignment = 64;  // one cache line, one AVX-512 register

  // Uninitialised memory aligned to `alignment`. Blocks come from a cache of freed ones, so that a
  // steady training step asks the system for nothing. A device error where the device is absent or
  // its memory does not suffice.
  static std::shared_ptr<Storage> allocate(size_t bytes, Device device = Device::cpu());

  // What allocate() takes from the system for `bytes`: a little more, so that blocks fit again.
  static size_t block_size(size_t bytes) noexcept;

  // Memory from the system, for std::free: aligned to `alignment` and, where it is large, to huge
  // pages, which it asks for. Products of large operands touch more 4 KiB pages than a TLB holds:
  // on a virtual machine 12,800 x 448 by 448 x 128 takes a fifth less time. Throws std::bad_alloc.
  static std::byte* from_system(size_t bytes);

  // Memory that belongs to the caller; `release` runs when the last tensor over it is gone.
  static std::shared_ptr<Storage> borrow(void* data, size_t bytes, std::function<void()> release);

  // For allocate() and borrow() alone.
  Storage(Private, std::byte* data, size_t bytes, Device device, std::function<void()> release)
      : data_(data), bytes_(bytes), device_(device), release_(std::move(release)) {}
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const noexcept { return data_; }
  size_t bytes() const noexcept { return bytes_; }
  Device device() const noexcept { return device_; }

 private:
  static std::shared_ptr<Storage> allocate_on_gpu(size_t bytes, Device device);
  static void free_on_gpu(std::byte* data, size_t bytes, Device device) noexcept;

  std::byte* data_;
  size_t bytes_;
  Device device_;
  std::function<void()> release_;  // empty for memory that the cache owns
};

// What the allocator of the processor's memory holds, for profiles and tests. All in bytes.
struct MemoryStats {
  size_t in_use;  // handed out to live storages
  size_t peak;    // the largest in_use since reset_peak_memory()
  size_t cached;  // freed and kept for reuse
};
MemoryStats memory_stats() noexcept;
void reset_peak_memory() noexcept;
// Returns all cached memory to the system, that of GPUs too.
void release_cached_memory() noexcept;
void release_cached_gpu_memory() noexcept;

}  // namespace espalier
