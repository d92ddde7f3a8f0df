#include "engine/staging.h"

#include <map>
#include <mutex>
#include <vector>

#include "engine/cuda/runtime.h"
#include "engine/error.h"
#include "engine/launch_graph.h"
#include "engine/storage.h"

namespace espalier {
namespace {

// A copy that a GPU has been given, and the memory that it reads.
struct CopyUnderWay {
  cuda::Event behind;
  std::shared_ptr<Storage> from;
};

class Staging {
 public:
  // For GPU `index`.
  std::byte* take(int index, size_t size) {
    let_go();
    if (std::byte* block = cached(size)) return block;
    if (std::byte* block = cuda::take_host_memory(index, size)) return block;
    release();  // of other sizes
    if (std::byte* block = cuda::take_host_memory(index, size)) return block;
    throw Error(ErrorKind::device, "staging: the system has no " + std::to_string(size) +
                                       " bytes of page-locked memory; use a smaller batch");
  }

  void give(size_t size, std::byte* block) noexcept {
    try {
      const std::lock_guard lock(mutex_);
      free_[size].push_back(block);
    } catch (...) {
      cuda::give_host_memory(block);
    }
  }

  // Keeps `from` until GPU `index` has done what it was given so far.
  void keep(int index, const std::shared_ptr<Storage>& from) {
    let_go();
    const cuda::Event behind = cuda::record_event(index);
    const std::lock_guard lock(mutex_);
    under_way_.push_back({behind, from});
  }

  void release() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : free_)
      for (std::byte* block : blocks) cuda::give_host_memory(block);
    free_.clear();
  }

 private:
  std::byte* cached(size_t size) {
    const std::lock_guard lock(mutex_);
    std::vector<std::byte*>& blocks = free_[size];
    if (blocks.empty()) return nullptr;
    std::byte* block = blocks.back();
    blocks.pop_back();
    return block;
  }

  // Of what has been copied. Whoever holds the last of a memory gives it back, so not under the
  // lock.
  void let_go() {
    std::vector<CopyUnderWay> ended;
    {
      const std::lock_guard lock(mutex_);
      for (auto copy = under_way_.begin(); copy != under_way_.end();) {
        if (!cuda::has_passed(copy->behind)) {
          ++copy;
          continue;
        }
        ended.push_back(*copy);
        copy = under_way_.erase(copy);
      }
    }
    for (const CopyUnderWay& copy : ended) cuda::free_event(copy.behind);
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_;
  std::vector<CopyUnderWay> under_way_;
};

// Never destroyed: tensors with static lifetime may outlive every other object.
Staging& staging() {
  static Staging& instance = *new Staging;
  return instance;
}

// Of its first element, wherever that lies.
std::byte* place_of(const Tensor& x) {
  return x.storage()->data() + static_cast<size_t>(x.storage_offset()) * dtype_size(x.dtype());
}

}  // namespace

Tensor staging_tensor(const Shape& shape, DType dtype, Device device) {
  if (!device.on_gpu()) return Tensor::empty(shape, dtype, device);
  check_device(device);
  const size_t size = Storage::block_size(static_cast<size_t>(shape.numel()) * dtype_size(dtype));
  const std::shared_ptr<std::byte> block(staging().take(device.index, size),
                                         [size](std::byte* b) { staging().give(size, b); });
  return Tensor::from_blob(block.get(), shape, dtype, [block] {});  // which the last tensor drops
}

void send(const Tensor& staged, const Tensor& there) {
  if (records_launches())
    throw Error(ErrorKind::device,
                "send: a copy from page-locked memory while launches are recorded; send it before");
  cuda::start_copy(there.device().index, place_of(there), place_of(staged),
                   static_cast<size_t>(staged.numel()) * dtype_size(staged.dtype()));
}

Tensor sent_to(Device device, const Tensor& staged) {
  if (!device.on_gpu() || staged.device().on_gpu() || !staged.is_contiguous())
    return staged.to(device);
  const Tensor there = Tensor::empty(staged.shape(), staged.dtype(), device);
  send(staged, there);
  staging().keep(device.index, staged.storage());
  return there;
}

void release_staging_memory() noexcept { staging().release(); }

}  // namespace espalier
