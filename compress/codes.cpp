#include "compress/codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier {
namespace {

// A range of no width, as a float sees it, still needs a scale: any serves.
double positive(double scale) {
  return scale >= static_cast<double>(std::numeric_limits<float>::min()) ? scale : 1.0;
}

}  // namespace

Codes affine_codes(const Range& range) {
  Codes codes;
  codes.scale = positive((range.high - range.low) / 255);
  codes.zero_point =
      static_cast<int>(std::clamp(std::nearbyint(-128 - range.low / codes.scale), -128.0, 127.0));
  return codes;
}

double symmetric_scale(const Range& range, double codes) {
  return positive(std::max(-range.low, range.high) / codes);
}

}  // namespace espalier
