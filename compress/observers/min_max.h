#pragma once

#include <vector>

#include "compress/observers/observer.h"

namespace espalier {

// The smallest and the largest value of each channel (Jacob et al., 2018, section 3.1, without the
// moving average). A numeric error names NaN or infinity.
class MinMaxObserver : public Observer {
 public:
  void observe(const Tensor& x) override;
  using Observer::range;
  Range range(int64_t first, int64_t last) const override;
  int64_t channels() const override { return static_cast<int64_t>(low_.size()); }

 private:
  std::vector<float> low_, high_;
};

}  // namespace espalier
