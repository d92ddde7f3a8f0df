// Rounding as every integer kernel does it: the scalar form, for the reference rows and GPUs.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// x to the nearest whole number, ties to even, within [low, high], which are whole numbers that a
// float holds. NaN gives `low`.
ESPALIER_ANYWHERE inline int32_t round_within(float x, float low, float high) noexcept {
  const float above = x > low ? x : low;
  return static_cast<int32_t>(std::nearbyint(above < high ? above : high));
}

// The 8-bit code nearest to `scaled` whole steps from `zero_point`.
ESPALIER_ANYWHERE inline int32_t code_of(float scaled, int zero_point) noexcept {
  const auto zero = static_cast<float>(zero_point);
  return round_within(scaled, -128 - zero, 127 - zero) + zero_point;
}

}  // namespace espalier
