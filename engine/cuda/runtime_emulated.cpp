#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "engine/cuda/runtime.h"
#include "engine/error.h"
#include "engine/storage.h"
#include "kernels/simt/emulator.h"

namespace espalier::cuda {
namespace {

// Like a GPU's, this memory is out of the processor's reach: only launches and copies open it. Each
// costs the system a word a page, so that it asks for large ones.
class DeviceMemory {
 public:
  static constexpr size_t capacity = size_t{4} << 30, boundary = 256, large_page = size_t{2} << 20;

  DeviceMemory() {
    void* mapped = mmap(nullptr, capacity + large_page, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return;
    base_ = static_cast<std::byte*>(mapped);
    base_ += -reinterpret_cast<uintptr_t>(mapped) % large_page;
    madvise(base_, capacity, MADV_HUGEPAGE);  // a wish, which may be refused
  }

  // First fit; null where there is no room.
  std::byte* take(size_t bytes) {
    const size_t size =
        (std::max(bytes, size_t{1}) + boundary - 1) / boundary * boundary + boundary;
    const std::lock_guard lock(mutex_);
    size_t at = boundary;  // nothing of the host's lies beside a block
    for (const auto& [start, block] : taken_) {
      if (start - at >= size) break;
      at = start + block.size;
    }
    if (!base_ || capacity - at < size) return nullptr;
    taken_[at] = {size, bytes};
    return base_ + at;
  }

  void give(std::byte* block) noexcept {
    const std::lock_guard lock(mutex_);
    taken_.erase(static_cast<size_t>(block - base_));
  }

  void use(const std::byte* block, size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    const auto taken = taken_.find(static_cast<size_t>(block - base_));
    if (taken != taken_.end()) taken->second.used = bytes;
  }

  simt::MemoryExtent extent(const void* at) {
    const auto offset = reinterpret_cast<uintptr_t>(at) - reinterpret_cast<uintptr_t>(base_);
    if (offset >= capacity) return {};
    const std::lock_guard lock(mutex_);
    auto block = taken_.upper_bound(offset);
    if (block == taken_.begin()) return {true};
    --block;
    const auto* begin = reinterpret_cast<const unsigned char*>(base_ + block->first);
    if (offset - block->first >= block->second.used) return {true};
    return {true, begin, begin + block->second.used};
  }

  size_t free_bytes() {
    const std::lock_guard lock(mutex_);
    size_t used = 0;
    for (const auto& [start, block] : taken_) used += block.size;
    return capacity - used;
  }

  void open() { mprotect(base_, end(), PROT_READ | PROT_WRITE); }
  void close() { mprotect(base_, end(), PROT_NONE); }

 private:
  size_t end() {
    const std::lock_guard lock(mutex_);
    if (taken_.empty()) return 0;
    const auto& [start, block] = *taken_.rbegin();
    return (start + block.size + large_page - 1) / large_page * large_page;
  }

  std::mutex mutex_;
  std::byte* base_ = nullptr;
  struct Block {
    size_t size, used;
  };
  std::map<size_t, Block> taken_;  // by their starts
};

DeviceMemory& memory() {
  static DeviceMemory& instance = *new DeviceMemory;
  return instance;
}

// Copies from page-locked memory that are under way. They land as late as they may, when the stream
// is given something else or waited for: whoever writes to that memory too early sees it.
class CopiesUnderWay {
 public:
  void start(std::byte* to, const std::byte* from, size_t bytes) {
    const std::lock_guard lock(mutex_);
    copies_.push_back({to, from, bytes});
    ++started_;
  }
  void land() {
    const std::lock_guard lock(mutex_);
    for (const Copy& copy : copies_) std::memcpy(copy.to, copy.from, copy.bytes);
    copies_.clear();
  }
  size_t started() {
    const std::lock_guard lock(mutex_);
    return started_;
  }
  size_t landed() {
    const std::lock_guard lock(mutex_);
    return started_ - copies_.size();
  }

 private:
  struct Copy {
    std::byte* to;
    const std::byte* from;
    size_t bytes;
  };
  std::mutex mutex_;
  std::vector<Copy> copies_;
  size_t started_ = 0;
};

CopiesUnderWay& copies() {
  static CopiesUnderWay& instance = *new CopiesUnderWay;
  return instance;
}

// What a thread records: work in its order. Which part of a block is in use changes in between.
struct RecordingUnderWay {
  simt::RecordedWork work;
  std::set<const std::byte*> blocks;  // that it has taken
};
thread_local std::unique_ptr<RecordingUnderWay> under_way;

template <class Work>
void do_or_record(Work work) {
  if (under_way)
    under_way->work.push_back(work);
  else
    work();
}

// For the next thing in the stream.
void open_memory() {
  memory().open();
  copies().land();
}

struct Opened {
  Opened() { open_memory(); }
  ~Opened() { memory().close(); }
};

}  // namespace

int device_count() noexcept { return 1; }
std::string device_name(int) { return "emulated GPU"; }
bool is_emulated() noexcept { return true; }
void use_device(int) {}
bool reads_host_memory() noexcept { return true; }
std::byte* take_memory(int, size_t bytes) { return memory().take(bytes); }
void use_memory(int, const std::byte* block, size_t bytes) noexcept {
  memory().use(block, bytes);
  if (!under_way) return;
  if (bytes > 0) under_way->blocks.insert(block);
  if (under_way->blocks.count(block) > 0)
    under_way->work.push_back([block, bytes] { memory().use(block, bytes); });
}
// Once the stream is done, as CUDA's.
void give_memory(int index, std::byte* block) noexcept {
  synchronize(index);
  memory().give(block);
}
std::byte* take_host_memory(int, size_t bytes) { return Storage::from_system(bytes); }
void give_host_memory(std::byte* block) noexcept { std::free(block); }
MemoryLeft memory_left(int) { return {memory().free_bytes(), DeviceMemory::capacity}; }

void copy(int, std::byte* to, const std::byte* from, size_t bytes, CopyKind) {
  do_or_record([=] {
    const Opened opened;
    std::memmove(to, from, bytes);
  });
}

void set_bytes(int, std::byte* at, unsigned char value, size_t bytes) {
  do_or_record([=] {
    const Opened opened;
    std::memset(at, value, bytes);
  });
}

void synchronize(int) { const Opened opened; }

void start_copy(int, std::byte* to, const std::byte* from, size_t bytes) {
  copies().start(to, from, bytes);
}

// How many copies had been started then.
Event record_event(int) { return reinterpret_cast<Event>(copies().started()); }
bool has_passed(Event event) { return copies().landed() >= reinterpret_cast<size_t>(event); }
void free_event(Event) noexcept {}

void begin_recording(int) {
  under_way = std::make_unique<RecordingUnderWay>();
  simt::recorded_work = &under_way->work;
}

Recording end_recording(int) {
  simt::recorded_work = nullptr;
  return under_way.release();
}

void drop_recording(int) noexcept {
  simt::recorded_work = nullptr;
  under_way.reset();
}

void replay(int, Recording recording) {
  for (const auto& work : static_cast<RecordingUnderWay*>(recording)->work) work();
}

void free_recording(int index, Recording recording) noexcept {
  synchronize(index);
  delete static_cast<RecordingUnderWay*>(recording);
}

Stream stream_of(int) {
  static simt::DeviceMemoryDoors doors = {open_memory, [] { memory().close(); },
                                          [](const void* at) { return memory().extent(at); }};
  simt::set_device_memory(doors);
  return &doors;
}

void check_launches(const char* op) {
  if (const std::string problem = simt::take_fault(); !problem.empty())
    throw Error(ErrorKind::device, std::string(op) + ": " + problem);
}

}  // namespace espalier::cuda
