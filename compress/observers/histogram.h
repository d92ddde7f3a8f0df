// What percentile, least error and entropy share: how often each value of a channel occurs.
#pragma once

#include <vector>

#include "compress/observers/min_max.h"

namespace espalier {

// Of some channels together. Bin i holds the values in [edge(i), edge(i + 1)).
struct Histogram {
  double width = 0;               // of a bin
  int64_t first = 0;              // edge(0) / width: 0 is always an edge
  std::vector<int64_t> counts{};  // from the bin of the smallest value, or of 0, to the largest's
  Range extremes{};               // the smallest and the largest value, zero included
  int64_t total = 0;

  double edge(int64_t i) const { return static_cast<double>(first + i) * width; }
};

// An observer that chooses its range by a histogram.
//
// Each channel has 4,096 bins around zero, 16 KiB, however much is observed. Their width is the
// least power of two with which they reach over all values so far. When a value lies beyond, each
// two neighbours become one bin, again and again: nothing is spread over bins anew, so counts stay
// exact and depend neither on the order of the values nor on how they were cut into batches.
// Channels of different widths are added up at the widest one's, exactly too.
class HistogramObserver : public Observer {
 public:
  static constexpr int64_t bins = 4096;

  // Besides what min-max refuses, an argument error where a channel has 2^32 values or more.
  void observe(const Tensor& x) final;
  using Observer::range;
  Range range(int64_t first, int64_t last) const final;
  int64_t channels() const final { return ends_.channels(); }
  Range extremes() const final { return ends_.range(); }
  // Of channels [first, last); argument errors as for range().
  Histogram histogram(int64_t first, int64_t last) const;

 protected:
  // Of a histogram that has values other than zero. What lies outside its extremes is cut off.
  virtual Range choose(const Histogram& histogram) const = 0;

 private:
  void widen(size_t channel);

  MinMaxObserver ends_;
  std::vector<int> exponents_;    // by channel: bins are 2^exponent wide
  std::vector<uint32_t> counts_;  // [channels, bins]
  int64_t seen_ = 0;              // values a channel
};

}  // namespace espalier
