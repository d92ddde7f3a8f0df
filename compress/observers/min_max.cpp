#include "compress/observers/min_max.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/op.h"
#include "engine/ops/view.h"

namespace espalier {
namespace {

constexpr const char* name_of_observer = "MinMaxObserver";

void check_finite(const float* at, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    if (!std::isfinite(at[i]))
      throw Error(ErrorKind::numeric, "calibration met " + std::to_string(at[i]) +
                                          "; expected finite activations; is the model trained?");
}

}  // namespace

void MinMaxObserver::observe(const Tensor& x) {
  check_dtype(name_of_observer, "x", x, DType::f32);
  check_min_rank(name_of_observer, "x", x, 1);
  const auto width = static_cast<size_t>(x.shape().back());
  if (low_.empty()) low_.resize(width), high_ = low_;
  if (width != low_.size())
    argument_error(name_of_observer, "x", x.describe(),
                   "[..., " + std::to_string(channels()) + "] as before", "");
  const Tensor values = contiguous(x);
  check_finite(values.data<float>(), values.numel());
  const float* end = values.data<float>() + values.numel();
  for (const float* row = values.data<float>(); row < end; row += width)
    for (size_t channel = 0; channel < width; ++channel) {
      low_[channel] = std::min(low_[channel], row[channel]);
      high_[channel] = std::max(high_[channel], row[channel]);
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
