// Rounding as every integer kernel does it: the scalar form, for the reference rows.
#pragma once

#include <cmath>
#include <cstdint>

namespace espalier {

// x to the nearest whole number, ties to even, within [low, high], which are whole numbers that a
// float holds. NaN gives `low`.
inline int32_t round_within(float x, float low, float high) noexcept {
  const float above = x > low ? x : low;
  return static_cast<int32_t>(std::nearbyint(above < high ? above : high));
}

// The 8-bit code nearest to `scaled` whole steps from `zero_point`.
inline int32_t code_of(float scaled, int zero_point) noexcept {
  const auto zero = static_cast<float>(zero_point);
  return round_within(scaled, -128 - zero, 127 - zero) + zero_point;
}

}  // namespace espalier
