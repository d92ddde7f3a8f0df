// How a row is rounded, and one element, as the processor and a GPU compute them.
#pragma once

#include <limits>

#include "kernels/linear_dynamic/linear_dynamic.h"

namespace espalier {

// What the values of a row are multiplied with to become codes, and codes to become values. NaN for
// the second where the row holds no finite `magnitude`, which is the largest of its |x|.
struct LinearDynamicRow {
  float inverse, scale;

  ESPALIER_ANYWHERE explicit LinearDynamicRow(float magnitude) noexcept {
    using limits = std::numeric_limits<float>;
    const bool finite = magnitude <= limits::max();
    // The quotients of smaller ones would not be normal numbers.
    const bool zero = magnitude < 127 * limits::min();
    inverse = zero || !finite ? 0.0f : 127 / magnitude;
    scale = zero ? 0.0f : finite ? magnitude / 127 : limits::quiet_NaN();
  }
};

// bias: that of the channel, or null.
ESPALIER_ANYWHERE inline float linear_dynamic_value(int32_t sum, float channel, float row,
                                                    const float* bias) noexcept {
  const float value = static_cast<float>(sum) * channel * row;
  return bias ? value + *bias : value;
}

}  // namespace espalier
