#pragma once

#include "compress/observers/histogram.h"

namespace espalier {

// The threshold of least information lost: TensorRT's calibration (Migacz, "8-bit inference with
// TensorRT", GTC 2017, slides 22 to 38), on signed values.
//
// For each threshold t, P is the histogram of [-t, t] with what lies outside added to its end bins;
// Q is the same without the outside, merged to 256 codes of equally many bins and spread again
// evenly over those bins of a code that P has values in. A ten-thousandth of Q is spread over all
// bins that P has values in: what Q lacks costs much, but not infinitely (the slides leave this
// open; MXNet's calibration does the like). The chosen t has the least Kullback-Leibler divergence,
// sum P log(P / Q). The range is [-t, t] within the extremes: symmetric where values reach t on
// both sides, one-sided where they have one side, as behind a GELU. Thresholds stand 8 bins apart,
// from the first with a bin for each code; where there are no more bins than codes it is min-max's.
class EntropyObserver : public HistogramObserver {
 public:
  static constexpr int64_t codes = 256;
  static constexpr double smoothing = 1e-4;
  // Of the bins [begin, end) of a histogram; infinite where they hold nothing.
  static double divergence(const Histogram& histogram, int64_t begin, int64_t end);

 protected:
  Range choose(const Histogram& histogram) const override;
};

}  // namespace espalier
