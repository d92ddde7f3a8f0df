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

}  // namespace espalier
