#include "engine/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "kernels/simt/stream.h"

namespace espalier {
namespace {

thread_local bool inside_piece = false;

void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// One parallel_for call: threads take pieces off `next` until none is left.
struct Job {
  RangeFunction f;
  int64_t count, grain, pieces;
  std::atomic<int64_t> next{0};
  std::mutex mutex{};
  std::exception_ptr error{};

  void work() noexcept {
    inside_piece = true;
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      try {
        f(i * grain, std::min(count, (i + 1) * grain));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
    }
    inside_piece = false;
  }
};

// Workers spin for a bounded time after a job, since the next one usually follows within
// microseconds, and then park on a condition variable, so that an idle process uses no processor.
class Pool {
 public:
  explicit Pool(int workers) {
    for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { serve(); });
  }

  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_.store(true);
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  int width() const noexcept { return static_cast<int>(threads_.size()) + 1; }

  // False when another thread's job holds the pool: the caller then runs its pieces itself.
  bool run(Job& job) {
    const std::unique_lock owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) return false;
    job_ = &job;
    pending_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (parked_.load() > 0) wake_.notify_all();
    job.work();
    for (int spins = 0; pending_.load(std::memory_order_acquire) > 0; ++spins)
      spins < spin_limit ? relax() : std::this_thread::yield();
    return true;
  }

 private:
  static constexpr int spin_limit = 20'000;  // some 50 to 200 microseconds, by the cost of a pause

  void serve() {
    for (uint64_t seen = 0;;) {
      seen = wait_past(seen);
      if (stopping_.load()) return;
      job_->work();
      pending_.fetch_sub(1, std::memory_order_release);
    }
  }

  uint64_t wait_past(uint64_t seen) {
    for (int spins = 0; spins < spin_limit; ++spins) {
      const uint64_t now = generation_.load(std::memory_order_acquire);
      if (now != seen) return now;
      relax();
    }
    std::unique_lock lock(mutex_);
    parked_.fetch_add(1);
    wake_.wait(lock, [&] { return generation_.load() != seen; });
    parked_.fetch_sub(1);
    return generation_.load();
  }

  std::vector<std::thread> threads_{};
  std::mutex owner_{}, mutex_{};
  std::condition_variable wake_{};
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> pending_{0}, parked_{0};
  std::atomic<bool> stopping_{false};
  Job* job_ = nullptr;
};

std::mutex pool_mutex;
std::shared_ptr<Pool> pool;  // made at first use
std::atomic<int> wanted_width{0};

std::shared_ptr<Pool> current_pool() {
  const std::lock_guard lock(pool_mutex);
  const int width = num_threads();
  if (!pool || pool->width() != width) {
    pool.reset();
    pool = std::make_shared<Pool>(width - 1);
  }
  return pool;
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

int threads_here() noexcept { return inside_piece ? 1 : num_threads(); }

void set_num_threads(int count) {
  if (count < 1 || count > 1024)
    argument_error("set_num_threads", "count", std::to_string(count), "1 to 1024",
                   "this machine offers " + std::to_string(default_num_threads()));
  wanted_width.store(count, std::memory_order_relaxed);
}

SerialGuard::SerialGuard() noexcept : before_(inside_piece) { inside_piece = true; }
SerialGuard::~SerialGuard() { inside_piece = before_; }

void parallel_for(int64_t count, int64_t grain, RangeFunction f) {
  if (count <= 0) return;
  if (cuda::active()) return f(0, count);  // a launch splits its work by itself
  grain = std::max<int64_t>(grain, 1);
  Job job{f, count, grain, (count + grain - 1) / grain};
  if (job.pieces == 1 || threads_here() == 1) {
    for (int64_t i = 0; i < job.pieces; ++i) f(i * grain, std::min(count, (i + 1) * grain));
    return;
  }
  if (!current_pool()->run(job)) job.work();
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace espalier
