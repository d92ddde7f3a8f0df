// Sixteen lanes of doubles, for sums of floats that must not lose bits.
#pragma once

#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

using f64 = xsimd::batch<double, Arch>;
constexpr int f64_lanes = static_cast<int>(f64::size);
constexpr int f64_registers = logical_lanes / f64_lanes;

struct f64x16 {
  f64 part[f64_registers];
};

ESPALIER_INLINE f64x16 broadcast_f64(double value) {
  f64x16 out;
  for (int i = 0; i < f64_registers; ++i) out.part[i] = f64(value);
  return out;
}

ESPALIER_INLINE f64x16 widen(const f32x16& a) {
  f64x16 out;
  for (int i = 0; i < registers; ++i) {
#if defined(__AVX512F__)
    const __m512 x = a.part[i];
    out.part[2 * i] = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    out.part[2 * i + 1] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
#elif defined(__AVX2__)
    const __m256 x = a.part[i];
    out.part[2 * i] = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    out.part[2 * i + 1] = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
#else
    const float32x4_t x = a.part[i];
    out.part[2 * i] = vcvt_f64_f32(vget_low_f32(x));
    out.part[2 * i + 1] = vcvt_high_f64_f32(x);
#endif
  }
  return out;
}

ESPALIER_INLINE f64x16 operator+(const f64x16& a, const f64x16& b) {
  f64x16 out;
  for (int i = 0; i < f64_registers; ++i) out.part[i] = a.part[i] + b.part[i];
  return out;
}
ESPALIER_INLINE f64x16 operator*(const f64x16& a, const f64x16& b) {
  f64x16 out;
  for (int i = 0; i < f64_registers; ++i) out.part[i] = a.part[i] * b.part[i];
  return out;
}

// The same tree as reduce() of floats: lane i meets i + 8, then i + 4, i + 2, i + 1.
ESPALIER_INLINE double reduce_add(const f64x16& a) {
  alignas(64) double lane[logical_lanes];
  for (int i = 0; i < f64_registers; ++i) a.part[i].store_unaligned(lane + i * f64_lanes);
  for (int half = logical_lanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

}  // namespace espalier::ESPALIER_ISA
