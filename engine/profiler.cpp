#include "engine/profiler.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>

namespace espalier::profiler {

std::atomic<bool> enabled_flag{false};

namespace {

int64_t now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct ThreadLog {
  std::mutex mutex;
  std::vector<Event> events;
  int thread;
  int depth = 0;
  Scope* innermost = nullptr;
};

std::mutex registry_mutex;
std::vector<std::shared_ptr<ThreadLog>> registry;  // outlives the threads that wrote

ThreadLog& log() {
  thread_local const std::shared_ptr<ThreadLog> mine = [] {
    auto fresh = std::make_shared<ThreadLog>();
    const std::lock_guard lock(registry_mutex);
    fresh->thread = static_cast<int>(registry.size());
    registry.push_back(fresh);
    return fresh;
  }();
  return *mine;
}

}  // namespace

void start() {
  const std::lock_guard lock(registry_mutex);
  for (const auto& thread : registry) {
    const std::lock_guard inner(thread->mutex);
    thread->events.clear();
  }
  enabled_flag.store(true);
}

std::vector<Event> stop() {
  enabled_flag.store(false);
  std::vector<Event> all;
  const std::lock_guard lock(registry_mutex);
  for (const auto& thread : registry) {
    const std::lock_guard inner(thread->mutex);
    all.insert(all.end(), thread->events.begin(), thread->events.end());
  }
  std::sort(all.begin(), all.end(),
            [](const Event& a, const Event& b) { return a.start < b.start; });
  return all;
}

void Scope::open(const char* name, const char* phase, int step) noexcept {
  name_ = name;
  phase_ = phase;
  step_ = step;
  ThreadLog& mine = log();
  ++mine.depth;
  outer_ = mine.innermost;
  mine.innermost = this;
  start_ = now();
}

void Scope::close() noexcept {
  const int64_t end = now();
  ThreadLog& mine = log();
  --mine.depth;
  mine.innermost = outer_;
  const std::lock_guard lock(mine.mutex);
  mine.events.push_back(
      {name_, phase_, start_, end - start_, flops_, mine.thread, mine.depth, step_});
}

void add_flops(int64_t flops) noexcept {
  if (Scope* scope = log().innermost) scope->flops_ += flops;
}

std::vector<Total> totals(const std::vector<Event>& events) {
  std::map<std::pair<std::string, std::string>, Total> sums;
  std::map<int, std::vector<const Event*>> open;  // per thread, the scopes around the present one
  for (const Event& event : events) {
    auto& stack = open[event.thread];
    while (!stack.empty() && stack.back()->start + stack.back()->duration <= event.start)
      stack.pop_back();
    if (!stack.empty()) sums[{stack.back()->name, stack.back()->phase}].self_ns -= event.duration;
    stack.push_back(&event);
    Total& total = sums[{event.name, event.phase}];
    total.calls += 1;
    total.self_ns += event.duration;
    total.flops += event.flops;
  }
  std::vector<Total> sorted;
  for (auto& [key, total] : sums)
    sorted.push_back({key.first, key.second, total.calls, total.self_ns, total.flops});
  std::sort(sorted.begin(), sorted.end(),
            [](const Total& a, const Total& b) { return a.self_ns > b.self_ns; });
  return sorted;
}

}  // namespace espalier::profiler
