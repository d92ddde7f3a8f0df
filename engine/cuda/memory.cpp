// The cache of GPU blocks behind Storage. One stream a GPU runs all that touches them, in order, so
// a block may be handed out again while what used it last still waits to run.
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/cuda/recorded_memory.h"
#include "engine/cuda/runtime.h"
#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "engine/error.h"
#include "engine/launch_graph.h"
#include "engine/recycled.h"
#include "engine/staging.h"
#include "engine/storage.h"

namespace espalier {
namespace {

using FreeBlocks = std::map<std::pair<int, size_t>, std::vector<std::byte*>>;  // by GPU and size

std::byte* taken_from(FreeBlocks& all, int index, size_t size) {
  std::vector<std::byte*>& blocks = all[{index, size}];
  if (blocks.empty()) return nullptr;
  std::byte* block = blocks.back();
  blocks.pop_back();
  return block;
}

// The blocks of a recording: those that nothing uses, and the bytes of all.
struct OwnBlocks {
  FreeBlocks free;
  size_t bytes = 0;
};

// For which the blocks are that this thread takes.
thread_local OwnBlocks* owner = nullptr;

class GpuCache {
 public:
  std::byte* take(int index, size_t size) {
    const std::lock_guard lock(mutex_);
    if (std::byte* block = owner ? taken_from(owner->free, index, size) : nullptr) return block;
    std::byte* block = taken_from(free_, index, size);
    if (block) keep_for_owner(block, size);
    return block;
  }

  // That the system gave just now.
  void own(std::byte* block, size_t size) {
    const std::lock_guard lock(mutex_);
    keep_for_owner(block, size);
  }

  void give(int index, size_t size, std::byte* block) {
    const std::lock_guard lock(mutex_);
    const auto found = owners_.find(block);
    (found == owners_.end() ? free_ : found->second->free)[{index, size}].push_back(block);
  }

  void disown(OwnBlocks* gone) {
    const std::lock_guard lock(mutex_);
    for (auto& [key, blocks] : gone->free) {
      std::vector<std::byte*>& all = free_[key];
      all.insert(all.end(), blocks.begin(), blocks.end());
    }
    for (auto entry = owners_.begin(); entry != owners_.end();)
      entry = entry->second == gone ? owners_.erase(entry) : std::next(entry);
  }

  // What belongs to no recording.
  void release() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& [key, blocks] : free_)
      for (std::byte* block : blocks) cuda::give_memory(key.first, block);
    free_.clear();
  }

 private:
  void keep_for_owner(std::byte* block, size_t size) {
    if (!owner) return;
    owners_[block] = owner;
    owner->bytes += size;
  }

  std::mutex mutex_;
  FreeBlocks free_;
  std::map<std::byte*, OwnBlocks*> owners_;
};

// Never destroyed: tensors with static lifetime may outlive every other object.
GpuCache& gpu_cache() {
  static GpuCache& instance = *new GpuCache;
  return instance;
}

std::byte* fresh_block(size_t size, Device device) {
  if (std::byte* block = cuda::take_memory(device.index, size)) return block;
  if (!owner) gpu_cache().release();  // of other sizes; a GPU frees none while it records
  if (std::byte* block = cuda::take_memory(device.index, size)) return block;
  const cuda::MemoryLeft left = cuda::memory_left(device.index);
  throw Error(ErrorKind::device, "Storage: " + device.str() + " has no room for " +
                                     std::to_string(size) + " bytes; " + std::to_string(left.free) +
                                     " of " + std::to_string(left.total) +
                                     " are free; use a smaller batch");
}

// A recording is work that the processor does not take part in.
void refuse_in_recording(const char* what) {
  if (!records_launches()) return;
  throw Error(ErrorKind::device, std::string(current_operation()) + ": " + what +
                                     " while launches are recorded; expected work on the GPU "
                                     "alone; do it before the recording or after the launch");
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate_on_gpu(size_t bytes, Device device) {
  check_device(device);
  const size_t size = block_size(bytes);
  std::byte* block = gpu_cache().take(device.index, size);
  if (!block) gpu_cache().own(block = fresh_block(size, device), size);
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

namespace cuda {

void* own_blocks() { return owner = new OwnBlocks; }
void stop_owning_blocks() noexcept { owner = nullptr; }
void disown_blocks(void* gone) noexcept {
  const std::unique_ptr<OwnBlocks> blocks(static_cast<OwnBlocks*>(gone));
  gpu_cache().disown(blocks.get());
}
size_t own_bytes(const void* of) noexcept { return static_cast<const OwnBlocks*>(of)->bytes; }

}  // namespace cuda

void release_cached_gpu_memory() noexcept {
  gpu_cache().release();
  release_staging_memory();
}

void move_bytes(Device to_device, std::byte* to, Device from_device, const std::byte* from,
                size_t bytes) {
  constexpr auto cpu = Device::Kind::cpu;
  if (to_device.kind == cpu && from_device.kind == cpu) {
    std::memmove(to, from, bytes);
    return;
  }
  if (!(to_device == from_device)) refuse_in_recording("a copy from one device to another");
  if (to_device.kind == cpu) {
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
  if (device.kind == Device::Kind::cpu) return;
  refuse_in_recording("a wait for the GPU");
  cuda::synchronize(device.index);
}

}  // namespace espalier
