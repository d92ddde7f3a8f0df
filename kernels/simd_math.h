// Transcendental functions on sixteen lanes: the same bits on every ISA, since each is a fixed
// sequence of IEEE operations.
#pragma once

#include <limits>

#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

// 2^n for integer-valued n in [-126, 127], by building the exponent field.
ESPALIER_INLINE f32x16 exp2_integer(const f32x16& n) {
  const auto one = [](f32 x) {
    const i32 exponent = xsimd::to_int(x) + i32(127);
    return bits_as<f32>(exponent << 23);
  };
  return each(one, n);
}

// The nearest integer, ties to even, for |x| < 2^22.
ESPALIER_INLINE f32x16 round_to_integer(const f32x16& x) {
  const f32x16 magic = broadcast(12582912.0f);  // 1.5 * 2^23
  return (x + magic) - magic;
}

// e^r for |r| <= ln2/2, within 1 ulp: a minimax polynomial of relative error 2^-28.
ESPALIER_INLINE f32x16 exp_reduced(const f32x16& r) {
  f32x16 p = broadcast(1.38145394e-3f);
  p = fma(p, r, broadcast(8.36874545e-3f));
  p = fma(p, r, broadcast(4.1668389e-2f));
  p = fma(p, r, broadcast(0.166665211f));
  p = fma(p, r, broadcast(0.49999994f));
  p = fma(p, r, broadcast(1.0f));
  return fma(p, r, broadcast(1.0f));
}

// e^x within 2 ulp, denormal results included; exp(-inf) = 0, exp(+inf) = inf, NaN stays NaN.
// Cody-Waite reduction to [-ln2/2, ln2/2].
ESPALIER_INLINE f32x16 exp(const f32x16& x) {
  const f32x16 low = broadcast(-104.0f), high = broadcast(88.8f);
  const f32x16 clamped = min(high, max(low, x));
  const f32x16 n = round_to_integer(clamped * broadcast(1.44269504f));
  f32x16 r = fma(n, broadcast(-0.693359375f), clamped);
  r = fma(n, broadcast(2.12194440e-4f), r);
  const f32x16 p = exp_reduced(r);
  // Two halves of the exponent, so that neither leaves the normal range: only the last product
  // rounds into the denormals or overflows to infinity.
  const f32x16 half = round_to_integer(n * broadcast(0.5f));
  return p * exp2_integer(half) * exp2_integer(n - half);
}

// e^(x + rest) within 2 ulp for -88.03 <= x <= 0 and |rest| far below 1, except that a result under
// 2^-126 may be 0. `rest` carries the rounding error of x, so that a large |x| costs no accuracy.
// Half the work of exp(): one scale, straight from the bits of the shifted exponent.
ESPALIER_INLINE f32x16 exp_nonpositive(const f32x16& x, const f32x16& rest) {
  const f32x16 magic = broadcast(12582912.0f + 127.0f);
  const f32x16 shifted = fma(x, broadcast(1.44269504f), magic);
  const f32x16 n = shifted - magic;
  f32x16 r = fma(n, broadcast(-0.693359375f), x);
  r = fma(n, broadcast(2.12194440e-4f), r) + rest;
  const auto exponent = [](f32 s) { return bits_as<f32>(bits_as<i32>(s) << 23); };
  return exp_reduced(r) * each(exponent, shifted);
}

// 2^x for x <= 0 within 2 ulp; 0 where the result would be below 2^-126.5, NaN stays NaN. What a
// softmax needs where the logits come in base 2: one clamp, one exact reduction, one scale.
// The polynomial is a minimax fit of 2^f on [-1/2, 1/2] with p(0) = 1, relative error 1.1e-7.
ESPALIER_INLINE f32 exp2_nonpositive(f32 x) {
  // 1.5 * 2^23 + 127 leaves the biased exponent of 2^round(x) in the low bits of the sum, and zero
  // there for x = -127.
  const f32 magic(12583039.0f);
  const f32 clamped = max(f32(-127.0f), x);
  const f32 shifted = clamped + magic;
  const f32 f = clamped - (shifted - magic);
  f32 p(1.32647972e-3f);
  p = fma(p, f, f32(9.67153814e-3f));
  p = fma(p, f, f32(5.55073395e-2f));
  p = fma(p, f, f32(2.40222424e-1f));
  p = fma(p, f, f32(6.93147004e-1f));
  p = fma(p, f, f32(1.0f));
  return p * bits_as<f32>(bits_as<i32>(shifted) << 23);
}

// ln x within 1 ulp, denormals included; log(0) = -inf, log(x < 0) = NaN, log(+inf) = inf.
// x = m 2^e with m in [sqrt(1/2), sqrt(2)), then the Cephes logf polynomial (S. Moshier, 1989).
ESPALIER_INLINE f32x16 log(const f32x16& x) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float least_normal = std::numeric_limits<float>::min();
  const mask16 denormal = x < broadcast(least_normal);
  const f32x16 normal = select(denormal, x * broadcast(8388608.0f), x);
  f32x16 e, m;
  for (int i = 0; i < registers; ++i) {
    const i32 bits = bits_as<i32>(normal.part[i]);
    const i32 exponent = (bits - i32(0x3f3504f3)) >> 23;
    m.part[i] = bits_as<f32>(bits - (exponent << 23));
    e.part[i] = xsimd::to_float(exponent);
  }
  e = e - select(denormal, broadcast(23.0f), broadcast(0.0f));
  const f32x16 f = m - broadcast(1.0f), z = f * f;
  f32x16 p = broadcast(7.0376836292e-2f);
  p = fma(p, f, broadcast(-1.1514610310e-1f));
  p = fma(p, f, broadcast(1.1676998740e-1f));
  p = fma(p, f, broadcast(-1.2420140846e-1f));
  p = fma(p, f, broadcast(1.4249322787e-1f));
  p = fma(p, f, broadcast(-1.6668057665e-1f));
  p = fma(p, f, broadcast(2.0000714765e-1f));
  p = fma(p, f, broadcast(-2.4999993993e-1f));
  p = fma(p, f, broadcast(3.3333331174e-1f));
  p = fma(e, broadcast(-2.12194440e-4f), p * f * z);
  p = fma(z, broadcast(-0.5f), p);
  f32x16 y = fma(e, broadcast(0.693359375f), f + p);
  y = select(x > broadcast(0.0f), y, broadcast(-infinity));
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  y = select(x < broadcast(0.0f), broadcast(nan), y);
  return select(x < broadcast(infinity), y, x);
}

// tanh x within 2 ulp: near zero the Cephes tanhf polynomial, elsewhere 1 - 2 / (e^2|x| + 1).
ESPALIER_INLINE f32x16 tanh(const f32x16& x) {
  const f32x16 one = broadcast(1.0f), two = broadcast(2.0f), size = abs(x), z = x * x;
  f32x16 p = broadcast(-5.70498872745e-3f);
  p = fma(p, z, broadcast(2.06390887954e-2f));
  p = fma(p, z, broadcast(-5.37397155531e-2f));
  p = fma(p, z, broadcast(1.33314422036e-1f));
  p = fma(p, z, broadcast(-3.33332819422e-1f));
  const f32x16 near_zero = fma(p * z, x, x);
  const f32x16 elsewhere = copysign(one - two / (exp(size + size) + one), x);
  return select(size < broadcast(0.625f), near_zero, elsewhere);
}

// 1 / (1 + e^-x) within 3 ulp, denormal results included.
ESPALIER_INLINE f32x16 sigmoid(const f32x16& x) {
  const f32x16 one = broadcast(1.0f), e = exp(-abs(x));
  return select(x < broadcast(0.0f), e, one) / (one + e);
}

}  // namespace espalier::ESPALIER_ISA
