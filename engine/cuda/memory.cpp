// The cache of GPU blocks behind Storage. One stream a GPU runs all that touches them, in order, so
// a block may be handed out again while what used it last still waits to run.
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "engine/cuda/runtime.h"
#include "engine/device_memory.h"
#include "engine/error.h"
#include "engine/recycled.h"
#include "engine/staging.h"
#include "engine/storage.h"

namespace espalier {
namespace {

struct GpuCache {
  std::mutex mutex;
  std::map<std::pair<int, size_t>, std::vector<std::byte*>> free;  // by GPU and size

  std::byte* take(int index, size_t size) {
    const std::lock_guard lock(mutex);
    std::vector<std::byte*>& blocks = free[{index, size}];
    if (blocks.empty()) return nullptr;
    std::byte* block = blocks.back();
    blocks.pop_back();
    return block;
  }

  void give(int index, size_t size, std::byte* block) {
    const std::lock_guard lock(mutex);
    free[{index, size}].push_back(block);
  }

  void release() noexcept {
    const std::lock_guard lock(mutex);
    for (auto& [key, blocks] : free)
      for (std::byte* block : blocks) cuda::give_memory(key.first, block);
    free.clear();
  }
};

// Never destroyed: tensors with static lifetime may outlive every other object.
GpuCache& gpu_cache() {
  static GpuCache& instance = *new GpuCache;
  return instance;
}

std::byte* fresh_block(size_t size, Device device) {
  if (std::byte* block = cuda::take_memory(device.index, size)) return block;
  gpu_cache().release();  // of other sizes
  if (std::byte* block = cuda::take_memory(device.index, size)) return block;
  const cuda::MemoryLeft left = cuda::memory_left(device.index);
  throw Error(ErrorKind::device, "Storage: " + device.str() + " has no room for " +
                                     std::to_string(size) + " bytes; " + std::to_string(left.free) +
                                     " of " + std::to_string(left.total) +
                                     " are free; use a smaller batch");
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate_on_gpu(size_t bytes, Device device) {
  check_device(device);
  const size_t size = block_size(bytes);
  std::byte* block = gpu_cache().take(device.index, size);
  if (!block) block = fresh_block(size, device);
  cuda::use_memory(device.index, block, bytes);
  try {
    return std::allocate_shared<Storage>(Recycled<Storage>(), Private(), block, bytes, device,
                                         nullptr);
  } catch (...) {
    free_on_gpu(block, bytes, device);
    throw;
  }
}

void Storage::free_on_gpu(std::byte* data, size_t bytes, Device device) noexcept {
  cuda::use_memory(device.index, data, 0);
  try {
    gpu_cache().give(device.index, block_size(bytes), data);
  } catch (...) {
    cuda::give_memory(device.index, data);
  }
}

void release_cached_gpu_memory() noexcept {
  gpu_cache().release();
  release_staging_memory();
}

void move_bytes(Device to_device, std::byte* to, Device from_device, const std::byte* from,
                size_t bytes) {
  constexpr auto cpu = Device::Kind::cpu;
  if (to_device.kind == cpu && from_device.kind == cpu) {
    std::memmove(to, from, bytes);
  } else if (to_device.kind == cpu) {
    cuda::copy(from_device.index, to, from, bytes, cuda::CopyKind::to_host);
  } else {
    if (from_device.kind != cpu && from_device.index != to_device.index)
      cuda::synchronize(from_device.index);
    cuda::copy(to_device.index, to, from, bytes,
               from_device.kind == cpu ? cuda::CopyKind::to_device : cuda::CopyKind::on_device);
  }
}

void set_zero(Device device, std::byte* at, size_t bytes) {
  if (device.kind == Device::Kind::cpu)
    std::memset(at, 0, bytes);
  else
    cuda::set_bytes(device.index, at, 0, bytes);
}

void check_launches(const char* op) { cuda::check_launches(op); }

bool gpu_reads_host_memory() noexcept { return cuda::reads_host_memory(); }

void synchronize(Device device) {
  if (device.kind != Device::Kind::cpu) cuda::synchronize(device.index);
}

}  // namespace espalier
