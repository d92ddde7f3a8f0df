#include "compress/observers/min_max.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/op.h"
#include "engine/ops/view.h"

namespace espalier {
namespace {

constexpr const char* name_of_observer = "MinMaxObserver";

}  // namespace

void MinMaxObserver::observe(const Tensor& x) {
  check_dtype(name_of_observer, "x", x, DType::f32);
  check_min_rank(name_of_observer, "x", x, 1);
  const int64_t width = x.shape().back();
  if (low_.empty()) low_.resize(static_cast<size_t>(width)), high_ = low_;
  if (width != channels())
    argument_error(name_of_observer, "x", x.describe(),
                   "[..., " + std::to_string(channels()) + "] as before", "");
  const Tensor values = contiguous(x);
  const float* at = values.data<float>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    if (!std::isfinite(at[i]))
      throw Error(ErrorKind::numeric, "calibration met " + std::to_string(at[i]) +
                                          "; expected finite activations; is the model trained?");
    const auto channel = static_cast<size_t>(i % width);
    low_[channel] = std::min(low_[channel], at[i]);
    high_[channel] = std::max(high_[channel], at[i]);
  }
}

Range MinMaxObserver::range(int64_t first, int64_t last) const {
  if (first < 0 || last <= first || last > channels())
    argument_error(name_of_observer, "range",
                   "channels [" + std::to_string(first) + ", " + std::to_string(last) + ")",
                   "some of " + std::to_string(channels()) + " observed channels",
                   "observe() something first");
  Range out;
  for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i) {
    out.low = std::min(out.low, static_cast<double>(low_[i]));
    out.high = std::max(out.high, static_cast<double>(high_[i]));
  }
  return out;
}

}  // namespace espalier
