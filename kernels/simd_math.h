// Transcendental functions on sixteen lanes: the same bits on every ISA, since each is a fixed
// sequence of IEEE operations.
#pragma once

#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

// 2^n for integer-valued n in [-126, 127], by building the exponent field.
ESPALIER_INLINE f32x16 exp2_integer(const f32x16& n) {
  const auto one = [](f32 x) {
    const i32 exponent = xsimd::to_int(x) + i32(127);
    return xsimd::bitwise_cast<f32>(exponent << 23);
  };
  return each(one, n);
}

// The nearest integer, ties to even, for |x| < 2^22.
ESPALIER_INLINE f32x16 round_to_integer(const f32x16& x) {
  const f32x16 magic = broadcast(12582912.0f);  // 1.5 * 2^23
  return (x + magic) - magic;
}

// e^x within 2 ulp, denormal results included; exp(-inf) = 0, exp(+inf) = inf, NaN stays NaN.
// Cody-Waite reduction to [-ln2/2, ln2/2], then the Cephes expf polynomial (S. Moshier, 1989).
ESPALIER_INLINE f32x16 exp(const f32x16& x) {
  const f32x16 low = broadcast(-104.0f), high = broadcast(88.8f);
  const f32x16 clamped = min(high, max(low, x));
  const f32x16 n = round_to_integer(clamped * broadcast(1.44269504f));
  f32x16 r = fma(n, broadcast(-0.693359375f), clamped);
  r = fma(n, broadcast(2.12194440e-4f), r);
  f32x16 p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  p = fma(p, r * r, r) + broadcast(1.0f);
  // Two halves of the exponent, so that neither leaves the normal range: only the last product
  // rounds into the denormals or overflows to infinity.
  const f32x16 half = round_to_integer(n * broadcast(0.5f));
  return p * exp2_integer(half) * exp2_integer(n - half);
}

}  // namespace espalier::ESPALIER_ISA
