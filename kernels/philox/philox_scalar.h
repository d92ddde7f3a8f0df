// Normals from words, as the scalar rows and a GPU make them.
#pragma once

#include <array>
#include <cmath>
#include <cstring>

#include "kernels/philox/philox.h"
#include "kernels/philox/philox_polynomials.h"

namespace espalier {

// A GPU reads no array of the processor: copies that the compiler made are its own.
template <size_t N>
ESPALIER_ANYWHERE float polynomial_of(const std::array<float, N>& coefficients, float x) {
  float p = coefficients[0];
  for (size_t i = 1; i < N; ++i) p = std::fma(p, x, coefficients[i]);
  return p;
}

// ln x for normal x > 0.
ESPALIER_ANYWHERE inline float natural_log(float x) {
  constexpr auto coefficients = std::to_array(log_coefficients);
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int32_t exponent = static_cast<int32_t>(bits - sqrt_half_bits) >> 23;
  bits -= static_cast<uint32_t>(exponent) << 23;
  float mantissa;
  std::memcpy(&mantissa, &bits, sizeof mantissa);
  const float n = static_cast<float>(exponent), f = mantissa - 1.0f, square = f * f;
  float small = polynomial_of(coefficients, f) * (f * square);
  small = std::fma(n, log_two_low, small);
  small = std::fma(square, -0.5f, small);
  return std::fma(n, log_two_high, f + small);
}

struct Direction {
  float cos, sin;
};

// Of 2 pi w / 2^32. The reduction to |x| <= pi/4 is exact, in integers.
ESPALIER_ANYWHERE inline Direction cos_sin(uint32_t w) {
  const uint32_t quarter = (w + (1u << 29)) >> 30;
  const float x = static_cast<float>(static_cast<int32_t>(w - (quarter << 30))) * radians_per_count;
  constexpr auto of_sin = std::to_array(sin_coefficients), of_cos = std::to_array(cos_coefficients);
  const float square = x * x;
  const float s = std::fma(polynomial_of(of_sin, square), square * x, x);
  const float c =
      std::fma(polynomial_of(of_cos, square), square * square, std::fma(square, -0.5f, 1.0f));
  const float cos = quarter & 1 ? s : c, sin = quarter & 1 ? c : s;
  return {(quarter + 1) & 2 ? -cos : cos, quarter & 2 ? -sin : sin};
}

// Two normals from two words.
ESPALIER_ANYWHERE inline void box_muller(uint32_t radius_word, uint32_t angle_word, float* first,
                                         float* second) {
  const float u = std::fma(static_cast<float>(radius_word), 0x1p-32f, 0x1p-33f);
  const float radius = std::sqrt(-2.0f * natural_log(u));
  const Direction direction = cos_sin(angle_word);
  *first = radius * direction.cos;
  *second = radius * direction.sin;
}

}  // namespace espalier
