// One value in either direction, as the scalar rows and a GPU compute it.
#pragma once

#include <limits>

#include "kernels/quantize/quantize.h"
#include "kernels/round_within.h"

namespace espalier {

template <class To>
ESPALIER_ANYWHERE To quantized(float x, float inverse_scale, int zero_point) noexcept {
  using limits = std::numeric_limits<To>;
  const auto low = static_cast<float>(limits::min() - zero_point);
  const auto high = static_cast<float>(limits::max() - zero_point);
  return static_cast<To>(round_within(x * inverse_scale, low, high) + zero_point);
}

template <class From>
ESPALIER_ANYWHERE float dequantized(From x, float scale, int zero_point) noexcept {
  return static_cast<float>(x - zero_point) * scale;
}

}  // namespace espalier
