// The thread pool: work split by problem size, so that results never depend on the thread count.
#pragma once

#include <cstdint>

#include "kernels/function_ref.h"

namespace espalier {

using RangeFunction = FunctionRef<void(int64_t begin, int64_t end)>;

// Runs f over [0, count) in pieces of `grain` (the last may be short), on up to num_threads()
// threads, the caller among them. Pieces depend on `count` and `grain` alone, so give a `grain`
// that depends on the problem alone. Calls made from inside a piece run inline. The first exception
// that a piece throws is rethrown here once all pieces are done. A device error, before any piece
// runs, where the system cannot start so many threads.
void parallel_for(int64_t count, int64_t grain, RangeFunction f);

// While one of these lives, parallel_for on this thread runs its pieces inline.
class SerialGuard {
 public:
  SerialGuard() noexcept;
  ~SerialGuard();
  SerialGuard(const SerialGuard&) = delete;
  SerialGuard& operator=(const SerialGuard&) = delete;

 private:
  bool before_;
};

// While one of these lives, parallel_for on this thread uses at most so many threads.
class ThreadLimit {
 public:
  explicit ThreadLimit(int most) noexcept;
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

// How many items of `cost` elements each make one piece worth handing to a thread.
constexpr int64_t grain_for(int64_t cost) noexcept {
  constexpr int64_t piece = 16'384;  // some 5 microseconds of element-wise work
  return cost < piece ? piece / (cost > 0 ? cost : 1) : 1;
}

// The number of threads that parallel_for uses where nothing limits it. It starts as the number of
// processors that this process may use, by its affinity mask and its cgroup's CPU quota.
int num_threads() noexcept;
// The number that parallel_for would use where it is called from: 1 inside a piece, and no more
// than a ThreadLimit allows.
int threads_here() noexcept;
// Throws an argument error unless 1 <= count <= 1024.
void set_num_threads(int count);
// What the affinity mask and the cgroup allow.
int default_num_threads() noexcept;

}  // namespace espalier
