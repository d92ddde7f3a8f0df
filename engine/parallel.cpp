#include "engine/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <fstream>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "kernels/simt/stream.h"

namespace espalier {
namespace {

thread_local bool inside_piece = false;
thread_local int thread_limit = std::numeric_limits<int>::max();

void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

constexpr size_t cache_line = 64;

// One parallel_for call. It shares its cache line with the count of such calls, which is what
// workers watch: with the news that there is work comes what the work is.
struct alignas(cache_line) Call {
  std::atomic<uint32_t> number{0};
  bool stop = false;
  std::optional<RangeFunction> f{};
  int64_t count = 0, grain = 1, pieces = 0;
  int width = 1;  // threads that take pieces, the first of the pool's

  void run(int64_t piece) const { (*f)(piece * grain, std::min(count, (piece + 1) * grain)); }
};

// How many pieces of a thread's share are handed out. The first is that thread's without asking,
// since every thread comes by in every call, and to ask is to wait for the line.
struct alignas(cache_line) Share {
  static constexpr int64_t untouched = 1;
  std::atomic<int64_t> taken{untouched};
};

// A thread takes the pieces of its own share, the same from call to call, so that what it wrote in
// one call is in its cache in the next; then what is left of the others'. Workers spin for a
// bounded time after a call, since the next one usually follows within microseconds, and then park,
// so that an idle process uses no processor.
class Pool {
 public:
  // A device error where the system starts fewer threads.
  explicit Pool(int width) : shares_(static_cast<size_t>(width)) {
    try {
      for (int thread = 1; thread < width; ++thread)
        workers_.emplace_back([this, thread] { serve(thread); });
    } catch (const std::exception& error) {
      stop();
      throw Error(ErrorKind::device, "parallel_for: the system started " +
                                         std::to_string(workers_.size()) + " of " +
                                         std::to_string(width - 1) + " threads (" + error.what() +
                                         "); call set_num_threads() with at most " +
                                         std::to_string(workers_.size() + 1));
    }
  }

  ~Pool() { stop(); }

  int width() const noexcept { return static_cast<int>(shares_.size()); }

  // On `threads` of the pool's. Returns the first exception of a piece. One call at a time.
  std::exception_ptr run(RangeFunction f, int64_t count, int64_t grain, int64_t pieces,
                         int threads) {
    call_.f = f, call_.count = count, call_.grain = grain, call_.pieces = pieces;
    call_.width = threads;
    publish();
    work(0);
    expected_ += static_cast<uint32_t>(workers_.size());
    for (int spins = 0; finished_.load(std::memory_order_acquire) != expected_; ++spins)
      spins < spin_limit ? relax() : std::this_thread::yield();
    for (Share& share : shares_) share.taken.store(Share::untouched, std::memory_order_relaxed);
    return std::exchange(error_, nullptr);
  }

 private:
  static constexpr int spin_limit = 20'000;  // some 50 to 200 microseconds, by the cost of a pause

  void stop() {
    call_.stop = true;
    publish();
    for (std::thread& worker : workers_) worker.join();
  }

  void publish() {
    call_.number.fetch_add(1);
    call_.number.notify_all();
  }

  void serve(int thread) {
    for (uint32_t seen = 0;;) {
      seen = wait_past(seen);
      if (call_.stop) return;
      work(thread);
      finished_.fetch_add(1, std::memory_order_release);
    }
  }

  uint32_t wait_past(uint32_t seen) const {
    for (int spins = 0; spins < spin_limit; ++spins) {
      const uint32_t now = call_.number.load(std::memory_order_acquire);
      if (now != seen) return now;
      relax();
    }
    call_.number.wait(seen);
    return call_.number.load();
  }

  void work(int thread) noexcept {
    const int threads = call_.width;
    if (thread >= threads) return;
    inside_piece = true;
    if (const int64_t first = begin_of(thread); first < begin_of(thread + 1)) attempt(first);
    for (int i = 0; i < threads; ++i) take_rest((thread + i) % threads);
    inside_piece = false;
  }

  int64_t begin_of(int64_t thread) const noexcept { return call_.pieces * thread / call_.width; }

  void take_rest(int thread) noexcept {
    const int64_t begin = begin_of(thread), size = begin_of(thread + 1) - begin;
    if (size <= Share::untouched) return;
    std::atomic<int64_t>& taken = shares_[static_cast<size_t>(thread)].taken;
    for (int64_t i; (i = taken.fetch_add(1, std::memory_order_relaxed)) < size;) attempt(begin + i);
  }

  void attempt(int64_t piece) noexcept {
    try {
      call_.run(piece);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  // Each group in a line of its own: what a call changes must not evict what it leaves alone.
  Call call_{};
  alignas(cache_line) std::vector<Share> shares_;
  std::vector<std::thread> workers_{};
  alignas(cache_line) std::atomic<uint32_t> finished_{0};  // workers, over all calls
  alignas(cache_line) uint32_t expected_ = 0;              // what finished_ comes to
  std::mutex mutex_{};
  std::exception_ptr error_{};
};

std::mutex owner;            // held by the call that the pool works for
std::unique_ptr<Pool> pool;  // made at first use
std::atomic<int> wanted_width{0};

// False when another thread's call holds the pool.
bool run_on_pool(RangeFunction f, int64_t count, int64_t grain, int64_t pieces) {
  const std::unique_lock lock(owner, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  if (const int width = num_threads(); !pool || pool->width() != width) {
    pool.reset();
    pool = std::make_unique<Pool>(width);
  }
  const int threads = std::min(pool->width(), thread_limit);
  if (const std::exception_ptr error = pool->run(f, count, grain, pieces, threads))
    std::rethrow_exception(error);
  return true;
}

void run_in_turn(RangeFunction f, int64_t count, int64_t grain) {
  std::exception_ptr first;
  for (int64_t begin = 0; begin < count; begin += grain) {
    try {
      f(begin, std::min(count, begin + grain));
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

// cgroup v2's "cpu.max" holds "QUOTA PERIOD" or "max PERIOD"; v1 holds the two in files of their
// own.
int cgroup_width() {
  std::string quota;
  double period = 0;
  std::ifstream("/sys/fs/cgroup/cpu.max") >> quota >> period;
  if (quota.empty()) {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota.empty() || quota == "max" || quota[0] == '-' || period <= 0) return 1 << 20;
  return std::max(1, static_cast<int>(std::ceil(std::strtod(quota.c_str(), nullptr) / period)));
}

int affinity_width() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

int default_num_threads() noexcept {
  static const int width = std::min(affinity_width(), cgroup_width());
  return width;
}

int num_threads() noexcept {
  const int width = wanted_width.load(std::memory_order_relaxed);
  return width ? width : default_num_threads();
}

int threads_here() noexcept { return inside_piece ? 1 : std::min(num_threads(), thread_limit); }

void set_num_threads(int count) {
  if (count < 1 || count > 1024)
    argument_error("set_num_threads", "count", std::to_string(count), "1 to 1024",
                   "this machine offers " + std::to_string(default_num_threads()));
  wanted_width.store(count, std::memory_order_relaxed);
}

SerialGuard::SerialGuard() noexcept : before_(inside_piece) { inside_piece = true; }
SerialGuard::~SerialGuard() { inside_piece = before_; }

ThreadLimit::ThreadLimit(int most) noexcept : before_(thread_limit) {
  thread_limit = std::clamp(most, 1, before_);
}
ThreadLimit::~ThreadLimit() { thread_limit = before_; }

void parallel_for(int64_t count, int64_t grain, RangeFunction f) {
  if (count <= 0) return;
  if (cuda::active()) return f(0, count);  // a launch splits its work by itself
  grain = std::max<int64_t>(grain, 1);
  const int64_t pieces = (count + grain - 1) / grain;
  if (pieces == 1) return f(0, count);
  if (threads_here() == 1) return run_in_turn(f, count, grain);
  if (run_on_pool(f, count, grain, pieces)) return;
  const SerialGuard inside;
  run_in_turn(f, count, grain);
}

}  // namespace espalier
