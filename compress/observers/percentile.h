#pragma once

#include "compress/observers/histogram.h"

namespace espalier {

// The range that leaves out the same share of values at either end (as in Wu et al., 2004.09602,
// section 4, there of magnitudes): below `high` lie `percentile` per cent of all values, above
// `low` as many. Values count as spread evenly over their bin, so an end is off by a bin's width at
// most.
class PercentileObserver : public HistogramObserver {
 public:
  // An argument error unless 50 < percentile <= 100; 100 leaves nothing out.
  explicit PercentileObserver(double percentile = 99.99);

 protected:
  Range choose(const Histogram& histogram) const override;

 private:
  double left_out_;  // share of the values, at either end
};

}  // namespace espalier
