// Half precision in the vocabulary of kernels/simd.h: rounding to bf16, and bf16 in memory.
#pragma once

#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

// Each lane rounded to bf16, to nearest even, as the float of that value. A NaN stays one.
ESPALIER_INLINE f32 round_to_bf16(f32 x) {
  const i32 bits = xsimd::bitwise_cast<i32>(x);
  const i32 odd = (bits >> 16) & i32(1);
  const f32 quiet = xsimd::bitwise_cast<f32>(bits | i32(0x400000));
  const f32 nearest = xsimd::bitwise_cast<f32>(bits + odd + i32(0x7fff));
  const f32 upper = xsimd::bitwise_cast<f32>(i32(static_cast<int32_t>(0xffff0000u)));
  return xsimd::select(xsimd::isnan(x), quiet, nearest) & upper;
}
ESPALIER_INLINE f32x16 round_to_bf16(const f32x16& x) {
  return each([](f32 v) { return round_to_bf16(v); }, x);
}

// Stores the first `n` lanes rounded to bf16 (0 <= n <= 16) and touches no memory past them.
ESPALIER_INLINE void store_bf16(uint16_t* p, const f32x16& v) {
  const f32x16 x = round_to_bf16(v);
#if defined(__AVX512F__)
  const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(x.part[0]), 16);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(bits));
#elif defined(__AVX2__)
  const __m256i low = _mm256_srli_epi32(_mm256_castps_si256(x.part[0]), 16);
  const __m256i high = _mm256_srli_epi32(_mm256_castps_si256(x.part[1]), 16);
  const __m256i mixed = _mm256_packus_epi32(low, high);  // of the low halves, then the high ones
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
#else
  for (int i = 0; i < 4; ++i)
    vst1_u16(p + 4 * i, vshrn_n_u32(vreinterpretq_u32_f32(x.part[i]), 16));
#endif
}
ESPALIER_INLINE void store_bf16(uint16_t* p, const f32x16& v, int n) {
  if (n == logical_lanes) return store_bf16(p, v);
  uint16_t lanes[logical_lanes];
  store_bf16(lanes, v);
  for (int i = 0; i < n % logical_lanes; ++i) p[i] = lanes[i];  // n < 16, so that compilers see it
}

}  // namespace espalier::ESPALIER_ISA
