// One window, as the scalar rows and a GPU look through it.
#pragma once

#include <limits>

#include "kernels/max_pool2d/max_pool2d.h"

namespace espalier {

// The winning tap of channel c in the window whose corner is (top, left), be it in the padding.
template <class T>
ESPALIER_ANYWHERE int64_t winning_tap(const T* x, const MaxPool2dShape& s, int64_t top,
                                      int64_t left, int64_t c) {
  int64_t winner = -1;
  T best = -std::numeric_limits<T>::infinity();
  for (int64_t u = 0; u < s.kernel; ++u)
    for (int64_t v = 0; v < s.kernel; ++v) {
      const int64_t h = top + u, w = left + v;
      if (h < 0 || h >= s.height || w < 0 || w >= s.width) continue;
      const T value = x[(h * s.width + w) * s.channels + c];
      if (winner >= 0 && !(value > best) && value == value) continue;
      best = value;
      winner = u * s.kernel + v;
    }
  return winner;
}

// Where tap `tap` of the window at (i, j) reads, as an offset into the image.
ESPALIER_ANYWHERE inline int64_t tap_offset(const MaxPool2dShape& s, int64_t i, int64_t j,
                                            int64_t c, int64_t tap) {
  const int64_t h = i * s.stride - s.padding + tap / s.kernel;
  const int64_t w = j * s.stride - s.padding + tap % s.kernel;
  return (h * s.width + w) * s.channels + c;
}

}  // namespace espalier
