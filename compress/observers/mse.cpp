#include "compress/observers/mse.h"

#include <algorithm>
#include <cmath>

#include "compress/codes.h"

namespace espalier {
namespace {

// Of a search: the best so far.
struct Best {
  const Histogram& histogram;
  Range range;
  double error;

  // Tries `range` with one end or both shrunk; whether that was better.
  bool shrink(bool low, bool high) {
    const Range whole = {low ? histogram.extremes.low : range.low,
                         high ? histogram.extremes.high : range.high};
    const double before = error;
    constexpr int steps = 16 * 6;  // down to 2^-6
    for (int step = 0; step <= steps; ++step) {
      const double share = std::exp2(-step / 16.0);
      const Range tried = {low ? whole.low * share : whole.low,
                           high ? whole.high * share : whole.high};
      const double found = MseObserver::error(histogram, tried);
      if (found < error) error = found, range = tried;
    }
    return error < before;
  }
};

}  // namespace

// In steps of the scale, t = x / scale, an error is t - n, where n is the code nearest to t. Its
// square has the integral n / 12 + (t - n)^3 / 3, which is continuous from one code to the next,
// and beyond the last code as well, where n stays.
double MseObserver::error(const Histogram& h, const Range& range) {
  const Codes codes = affine_codes(range);
  const double least = -128 - codes.zero_point, most = 127 - codes.zero_point;
  const double step = h.width / codes.scale;
  const auto integral = [&](int64_t edge) {
    const double t = static_cast<double>(h.first + edge) * step;
    const double n = std::clamp(std::nearbyint(t), least, most);
    return n / 12 + (t - n) * (t - n) * (t - n) / 3;
  };
  double sum = 0, before = integral(0);
  for (size_t i = 0; i < h.counts.size(); ++i) {
    const double after = integral(static_cast<int64_t>(i) + 1);
    sum += static_cast<double>(h.counts[i]) * (after - before);
    before = after;
  }
  return sum / step * codes.scale * codes.scale / static_cast<double>(h.total);
}

Range MseObserver::choose(const Histogram& h) const {
  Best best{h, h.extremes, error(h, h.extremes)};
  best.shrink(true, true);
  for (bool better = true; better;) {
    better = best.shrink(false, true);
    better = best.shrink(true, false) || better;
  }
  return best.range;
}

}  // namespace espalier
