#include "compress/observers/moving_average.h"

#include <algorithm>

#include "engine/error.h"

namespace espalier {

MovingAverageObserver::MovingAverageObserver(double momentum) : momentum_(momentum) {
  if (!(momentum >= 0 && momentum < 1))
    argument_error("MovingAverageObserver", "momentum", std::to_string(momentum), "0 to below 1",
                   "");
}

void MovingAverageObserver::observe(const Tensor& x) {
  ends_.observe(x);
  if (x.numel() == 0) return;
  MinMaxObserver batch;
  batch.observe(x);
  const double share = averages_.empty() ? 1 : 1 - momentum_;
  averages_.resize(static_cast<size_t>(channels()));
  for (int64_t channel = 0; channel < channels(); ++channel) {
    const Range now = batch.range(channel, channel + 1);
    Range& average = averages_[static_cast<size_t>(channel)];
    average.low += share * (now.low - average.low);
    average.high += share * (now.high - average.high);
  }
}

Range MovingAverageObserver::range(int64_t first, int64_t last) const {
  const Range seen = ends_.range(first, last);  // which refuses channels that there are not
  Range out;
  for (auto i = static_cast<size_t>(first);
       i < std::min(averages_.size(), static_cast<size_t>(last)); ++i) {
    out.low = std::min(out.low, averages_[i].low);
    out.high = std::max(out.high, averages_[i].high);
  }
  return {std::max(out.low, seen.low), std::min(out.high, seen.high)};
}

}  // namespace espalier
