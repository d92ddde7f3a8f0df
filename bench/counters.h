// What the processor counts by itself, read through Linux's perf_event_open(2).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace espalier::bench {

// Numbers as linux/perf_event.h has them.
struct CounterEvent {
  const char* name;
  uint32_t type;
  uint64_t config;
};

// Cycles, instructions and misses of the last-level cache.
std::span<const CounterEvent> processor_events();

// One group of events of the thread that makes it, outside the kernel. Where the machine has no
// such counters, or forbids them, nothing is counted and absent() says why.
class Counters {
 public:
  explicit Counters(std::span<const CounterEvent> events);
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  const std::string& absent() const noexcept { return absent_; }  // empty where they count
  void start();
  // Adds what was counted since start() to `totals`, one an event in their order. Where the kernel
  // let other groups count in turn, the part that was seen is scaled up to the whole.
  void stop(std::vector<double>& totals);

 private:
  std::vector<int> files_;  // the group's leader first
  std::string absent_;
};

}  // namespace espalier::bench
