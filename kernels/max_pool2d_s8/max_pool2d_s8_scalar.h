// One window, as the scalar row and a GPU look through it.
#pragma once

#include <algorithm>

#include "kernels/max_pool2d_s8/max_pool2d_s8.h"

namespace espalier {

// Channel c of the window whose corner is (top, left), be it in the padding.
ESPALIER_ANYWHERE inline int8_t largest_of(const int8_t* x, const MaxPool2dShape& s, int64_t top,
                                           int64_t left, int64_t c) noexcept {
  int8_t best = -128;
  for (int64_t h = std::max<int64_t>(top, 0); h < std::min(top + s.kernel, s.height); ++h)
    for (int64_t w = std::max<int64_t>(left, 0); w < std::min(left + s.kernel, s.width); ++w)
      best = std::max(best, x[(h * s.width + w) * s.channels + c]);
  return best;
}

}  // namespace espalier
