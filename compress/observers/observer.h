// What watches the values of a tensor while a model runs, to choose a range for its codes.
#pragma once

#include "engine/tensor.h"

namespace espalier {

struct Range {
  double low = 0, high = 0;
};

class Observer {
 public:
  virtual ~Observer() = default;
  // x: f32 [..., channels], of as many channels every time.
  virtual void observe(const Tensor& x) = 0;
  // The range of channels [first, last), zero included, so that a zero is a code of its own. Throws
  // an argument error where nothing was observed yet.
  virtual Range range(int64_t first, int64_t last) const = 0;
  virtual int64_t channels() const = 0;
  Range range() const { return range(0, channels()); }
  // All that was seen, zero included: for codes of so many bits that nothing need be left out.
  virtual Range extremes() const { return range(); }
};

}  // namespace espalier
