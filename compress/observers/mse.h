#pragma once

#include "compress/observers/histogram.h"

namespace espalier {

// The range of least mean squared error between values and their codes: what PyTorch's
// HistogramObserver looks for, with the error in closed form. It minimises
//
//   E(range) = sum over bins of count * mean over x in the bin of (x - decoded(coded(x)))^2
//
// for the 256 codes of affine_codes(range), saturation included, x spread evenly over its bin. The
// codes of q, k and v are symmetric and take the larger end; theirs is near the least, not the
// least.
//
// Candidates shrink an end, or both ends at once, by powers of 2^(1/16) to 1/64: first both, then
// one end at a time in turns, until nothing improves. So E is never above that of min-max, and
// least along either end, not over all pairs of ends.
class MseObserver : public HistogramObserver {
 public:
  // E / total.
  static double error(const Histogram& histogram, const Range& range);

 protected:
  Range choose(const Histogram& histogram) const override;
};

}  // namespace espalier
