// Timing that stands noise: candidates take turns, each sample lasts long enough for the clock, and
// results are medians with their spread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace espalier::bench {

struct Summary {
  double least = 0, low = 0, median = 0,
         high = 0;  // minimum, first quartile, median, third quartile
  // Half the distance between the quartiles, relative to the median.
  double spread() const { return median > 0 ? (high - low) / 2 / median : 0; }
};

// Quantiles by linear interpolation between ordered samples. Assumes at least one sample.
Summary summarise(std::vector<double> samples);

struct MeasureOptions {
  double sample_seconds = 5e-4;  // a sample repeats its candidate for about so long
  int samples = 31;              // a candidate, at most
  double budget_seconds = 5;     // fewer samples, but at least 3, where rounds would last longer
};

struct Timing {
  int64_t calls = 0;              // a sample
  std::vector<double> wall, cpu;  // seconds a call, sample by sample; cpu is the calling thread's
  // What to judge by: for work on one thread its processor time, which leaves out what other
  // programs took meanwhile; for more threads the time that passed.
  const std::vector<double>& seconds(int threads) const { return threads == 1 ? cpu : wall; }
};

// Times every candidate once a round; rounds start with another candidate each. Candidates run
// beforehand, to warm up and to find how many calls make a sample. `finish` ends each sample,
// within its time: it waits for what the calls have begun elsewhere.
std::vector<Timing> measure(std::span<const std::function<void()>> candidates,
                            const MeasureOptions& options,
                            const std::function<void()>& finish = nullptr);

// Over rounds, of a's seconds divided by b's of the same round, so that a disturbance that lasts
// longer than a round cancels. Both must stem from one call of measure().
Summary paired_ratios(const std::vector<double>& a, const std::vector<double>& b);
// The median of these.
double paired_ratio(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace espalier::bench
