#pragma once

#include <vector>

#include "compress/observers/min_max.h"

namespace espalier {

// The ends of each channel, averaged over batches with weights that fall off into the past (Jacob
// et al., 2018, section 3.1): after the first batch, end = momentum * end + (1 - momentum) * the
// batch's end, zero included. Averages are kept by channel, and a part's range is what its
// channels' averages span: where another channel reaches furthest in each batch, that is less than
// the average of the part's own ends. The range depends on the order of the batches.
class MovingAverageObserver : public Observer {
 public:
  // An argument error unless 0 <= momentum < 1; 0 keeps the last batch alone.
  explicit MovingAverageObserver(double momentum = 0.9);
  void observe(const Tensor& x) override;
  using Observer::range;
  Range range(int64_t first, int64_t last) const override;
  int64_t channels() const override { return ends_.channels(); }
  Range extremes() const override { return ends_.range(); }

 private:
  double momentum_;
  MinMaxObserver ends_;
  std::vector<Range> averages_;
};

}  // namespace espalier
