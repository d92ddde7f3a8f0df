#include "bench/measure.h"

#include <time.h>

#include <algorithm>
#include <cmath>

namespace espalier::bench {
namespace {

double seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Sample {
  double wall, cpu;  // of all calls together
};

Sample sample(const std::function<void()>& run, int64_t calls,
              const std::function<void()>& finish) {
  const double cpu = seconds(CLOCK_THREAD_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
  for (int64_t i = 0; i < calls; ++i) run();
  if (finish) finish();
  return {seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_THREAD_CPUTIME_ID) - cpu};
}

struct RunCounts {
  int64_t calls;   // that make a sample
  double seconds;  // that it lasts
};

// Finds how many calls last `wanted` seconds; running them warms caches and branch predictors.
RunCounts calibrate(const std::function<void()>& run, double wanted,
                    const std::function<void()>& finish) {
  int64_t calls = 1;
  for (;;) {
    const double wall = sample(run, calls, finish).wall;
    if (wall >= wanted / 2) {
      const double a_call = wall / static_cast<double>(calls);
      calls = std::max<int64_t>(1, std::llround(wanted / a_call));
      return {calls, static_cast<double>(calls) * a_call};
    }
    calls *= wall > wanted / 8 ? 2 : 4;
  }
}

double quantile(const std::vector<double>& ordered, double q) {
  const double place = q * static_cast<double>(ordered.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, ordered.size() - 1);
  return std::lerp(ordered[below], ordered[above], place - static_cast<double>(below));
}

}  // namespace

Summary summarise(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return {samples.front(), quantile(samples, 0.25), quantile(samples, 0.5),
          quantile(samples, 0.75)};
}

std::vector<Timing> measure(std::span<const std::function<void()>> candidates,
                            const MeasureOptions& options, const std::function<void()>& finish) {
  std::vector<Timing> timings(candidates.size());
  double round_seconds = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const RunCounts plan = calibrate(candidates[i], options.sample_seconds, finish);
    timings[i].calls = plan.calls;
    round_seconds += plan.seconds;
  }
  const double affordable = std::max(3.0, options.budget_seconds / round_seconds);
  const int rounds = static_cast<int>(std::min<double>(options.samples, affordable));
  for (int round = 0; round < rounds; ++round)
    for (size_t turn = 0; turn < candidates.size(); ++turn) {
      const size_t i = (static_cast<size_t>(round) + turn) % candidates.size();
      Timing& timing = timings[i];
      const Sample taken = sample(candidates[i], timing.calls, finish);
      timing.wall.push_back(taken.wall / static_cast<double>(timing.calls));
      timing.cpu.push_back(taken.cpu / static_cast<double>(timing.calls));
    }
  return timings;
}

Summary paired_ratios(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios(a.size());
  for (size_t i = 0; i < ratios.size(); ++i) ratios[i] = a[i] / b[i];
  return summarise(ratios);
}

double paired_ratio(const std::vector<double>& a, const std::vector<double>& b) {
  return paired_ratios(a, b).median;
}

}  // namespace espalier::bench
