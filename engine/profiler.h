// A scope profiler. Off, a scope costs one relaxed load; on, two clock reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace espalier::profiler {

// One timed scope. Times are nanoseconds of the steady clock.
struct Event {
  const char* name;   // static text
  const char* phase;  // "forward", "backward", or what the scope's author says
  int64_t start, duration;
  int64_t flops;
  int thread;  // a small number, one a thread
  int depth;   // 0 for outermost on its thread
  int step;    // of the compiled plan that ran; -1 outside one
};

extern std::atomic<bool> enabled_flag;
inline bool enabled() noexcept { return enabled_flag.load(std::memory_order_relaxed); }

void start();               // clears what was collected and turns collection on
std::vector<Event> stop();  // turns it off; every thread's events, ordered by start

class Scope {
 public:
  explicit Scope(const char* name, const char* phase = "forward", int step = -1) noexcept {
    if (enabled()) open(name, phase, step);
  }
  ~Scope() {
    if (start_ >= 0) close();
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  void open(const char* name, const char* phase, int step) noexcept;
  void close() noexcept;
  friend void add_flops(int64_t flops) noexcept;
  const char* name_ = nullptr;
  const char* phase_ = nullptr;
  int64_t start_ = -1, flops_ = 0;
  int step_ = -1;
  Scope* outer_ = nullptr;
};

// Credits floating-point operations to this thread's innermost open scope.
void add_flops(int64_t flops) noexcept;

// Time by (name, phase) without what inner scopes took: calls, total nanoseconds, FLOPs.
struct Total {
  std::string name, phase;
  int64_t calls, self_ns, flops;
};
std::vector<Total> totals(const std::vector<Event>& events);  // largest self time first

}  // namespace espalier::profiler
