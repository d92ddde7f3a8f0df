// Conversion of contiguous values from one element type to another.
//
//   y[i] = To(x[i])
//
// Contract: `count` values; x and y do not overlap. Conversions to a floating-point type round to
// nearest even, once, halves included, except that integers reach Float16 and BFloat16 by way of
// double. Floating point to integer drops the fraction; what lies outside the integer's range
// becomes its nearest end, NaN becomes 0. Integer to integer keeps the low bits. To bool: whether
// the value is other than zero (NaN is). A NaN stays a NaN between floating-point types.
//
// There are SIMD rows between float and the halves, and rows for a GPU between all types; they give
// the bits of the scalar row.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/half.h"
#include "kernels/rows.h"

namespace espalier {

template <class From, class To>
using Cast = void(const From* x, To* y, int64_t count) noexcept;

namespace cast_detail {

ESPALIER_ANYWHERE inline uint32_t bits_of(float x) noexcept {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

ESPALIER_ANYWHERE inline float float_of(uint32_t bits) noexcept {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// `value` with its low `drop` bits removed, rounded to nearest even (1 <= drop <= 31).
ESPALIER_ANYWHERE inline uint32_t round_off(uint32_t value, int drop) noexcept {
  const uint32_t half = 1u << (drop - 1), odd = (value >> drop) & 1u;
  return (value + half - 1u + odd) >> drop;
}

ESPALIER_ANYWHERE inline BFloat16 to_bfloat16(float x) noexcept {
  const uint32_t bits = bits_of(x);
  if (x != x) return {static_cast<uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<uint16_t>(round_off(bits, 16))};
}

// Exponents: binary32 has bias 127, binary16 bias 15, so 112 lies between them.
ESPALIER_ANYWHERE inline Float16 to_float16(float x) noexcept {
  const uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
  uint32_t half;
  if (x != x) {
    half = 0x7e00u | (size >> 13 & 0x3ffu);
  } else if (size >= 0x47800000u) {  // 2^16 and up
    half = 0x7c00u;
  } else if (size >= 0x38800000u) {  // normal in binary16; a carry may reach infinity
    half = round_off(size - (112u << 23), 13);
  } else {  // a multiple of 2^-24
    const int drop = 126 - static_cast<int>(size >> 23);
    half = drop > 24 ? 0u : round_off((size & 0x7fffffu) | 0x800000u, drop);
  }
  return {static_cast<uint16_t>(sign | half)};
}

ESPALIER_ANYWHERE inline float to_float(BFloat16 x) noexcept {
  return float_of(static_cast<uint32_t>(x.bits) << 16);
}

ESPALIER_ANYWHERE inline float to_float(Float16 x) noexcept {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t exponent = x.bits >> 10 & 31u, fraction = x.bits & 0x3ffu;
  if (exponent == 0) {
    const float size = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -size : size;
  }
  const uint32_t shifted = exponent == 31u ? 255u : exponent + 112u;
  const uint32_t quiet = exponent == 31u && fraction ? 0x400000u : 0u;  // as the hardware does
  return float_of(sign | shifted << 23 | quiet | fraction << 13);
}

// The neighbouring float of odd significand unless x is a float. Rounding that to fewer bits gives
// what rounding x would (S. Boldo and G. Melquiond, Emulation of FMA and correctly rounded sums:
// proved algorithms using rounding to odd, 2008).
ESPALIER_ANYWHERE inline float to_odd(double x) noexcept {
  const float nearest = static_cast<float>(x);
  const double back = nearest;
  const uint32_t bits = bits_of(nearest);
  if (back == x || x != x || bits & 1u) return nearest;
  const bool outward = (back < 0 ? -back : back) > (x < 0 ? -x : x);
  return float_of(outward ? bits - 1u : bits + 1u);
}

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

template <class To>
ESPALIER_ANYWHERE To float_to_integer(double x) noexcept {
  using limits = std::numeric_limits<To>;
  // The end of the range as a double: exact, or one above the largest for 64 bits.
  constexpr double end = static_cast<double>(limits::max() / 2 + 1) * 2;
  if (x != x) return 0;
  if (x >= end) return limits::max();
  if (x <= static_cast<double>(limits::min())) return limits::min();
  return static_cast<To>(x);
}

template <class To, class From>
ESPALIER_ANYWHERE To convert(From x) noexcept {
  if constexpr (std::is_same_v<From, To>) {
    return x;
  } else if constexpr (is_half<From>) {
    return convert<To>(to_float(x));
  } else if constexpr (is_half<To>) {
    float near;
    if constexpr (std::is_same_v<From, float>)
      near = x;
    else
      near = to_odd(static_cast<double>(x));
    if constexpr (std::is_same_v<To, Float16>)
      return to_float16(near);
    else
      return to_bfloat16(near);
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return float_to_integer<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

template <class From, class To>
void cast_scalar(const From* x, To* y, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) y[i] = convert<To>(x[i]);
}

}  // namespace cast_detail

namespace cuda {
template <class From, class To>
void cast(const From* x, To* y, int64_t count) noexcept;
}  // namespace cuda

// The rows for one pair of types, each of float, double, Float16, BFloat16, int8_t, uint8_t,
// int16_t, int32_t, int64_t and bool.
template <class From, class To>
std::span<const KernelRow<Cast<From, To>>> cast_kernels() noexcept;

ESPALIER_DECLARE_ISAS(Cast<float, Float16> cast_to_f16; Cast<Float16, float> cast_from_f16;
                      Cast<float, BFloat16> cast_to_bf16; Cast<BFloat16, float> cast_from_bf16;)

}  // namespace espalier
