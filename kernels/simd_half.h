// Half precision in the vocabulary of kernels/simd.h: rounding to bf16, and halves in memory.
#pragma once

#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

// Each lane rounded to bf16, to nearest even, as the float of that value. A NaN stays one.
ESPALIER_INLINE f32 round_to_bf16(f32 x) {
  const i32 bits = bits_as<i32>(x);
  const i32 odd = (bits >> 16) & i32(1);
  const f32 quiet = bits_as<f32>(bits | i32(0x400000));
  const f32 nearest = bits_as<f32>(bits + odd + i32(0x7fff));
  const f32 upper = bits_as<f32>(i32(static_cast<int32_t>(0xffff0000u)));
  return xsimd::select(xsimd::isnan(x), quiet, nearest) & upper;
}
ESPALIER_INLINE f32x16 round_to_bf16(const f32x16& x) {
  return each([](f32 v) { return round_to_bf16(v); }, x);
}

// Stores sixteen lanes rounded to bf16. Where one instruction does it, denormals become 0.
ESPALIER_INLINE void store_bf16(uint16_t* p, const f32x16& v) {
#if defined(__AVX512BF16__)
  const __m256bh rounded = _mm512_cvtneps_pbh(v.part[0]);
  __builtin_memcpy(p, &rounded, sizeof rounded);
#elif defined(__AVX512F__)
  const __m512i bits = _mm512_castps_si512(round_to_bf16(v).part[0]);
  const __m256i upper = _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), upper);
#elif defined(__AVX2__)
  const f32x16 x = round_to_bf16(v);
  const __m256i low = _mm256_srli_epi32(_mm256_castps_si256(x.part[0]), 16);
  const __m256i high = _mm256_srli_epi32(_mm256_castps_si256(x.part[1]), 16);
  const __m256i mixed = _mm256_packus_epi32(low, high);  // of the low halves, then the high ones
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
#else
  const f32x16 x = round_to_bf16(v);
  for (int i = 0; i < 4; ++i)
    vst1_u16(p + 4 * i, vshrn_n_u32(vreinterpretq_u32_f32(x.part[i]), 16));
#endif
}

// Sixteen bf16 as floats.
ESPALIER_INLINE f32x16 load_bf16(const uint16_t* p) {
  f32x16 out;
#if defined(__AVX512F__)
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  out.part[0] = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; ++i) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8 * i));
    out.part[i] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
#else
  for (int i = 0; i < 4; ++i)
    out.part[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16));
#endif
  return out;
}

// Stores sixteen lanes rounded to f16, to nearest even.
ESPALIER_INLINE void store_f16(uint16_t* p, const f32x16& v) {
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(v.part[0], _MM_FROUND_TO_NEAREST_INT));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; ++i)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8 * i),
                     _mm256_cvtps_ph(v.part[i], _MM_FROUND_TO_NEAREST_INT));
#else
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(v.part[i])));
#endif
}

// Sixteen f16 as floats.
ESPALIER_INLINE f32x16 load_f16(const uint16_t* p) {
  f32x16 out;
#if defined(__AVX512F__)
  out.part[0] = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; ++i)
    out.part[i] = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8 * i)));
#else
  for (int i = 0; i < 4; ++i) out.part[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
#endif
  return out;
}

// The two formats as types, for algorithms that serve both.
struct Bf16InMemory {
  static ESPALIER_INLINE f32x16 load(const uint16_t* p) { return load_bf16(p); }
  static ESPALIER_INLINE void store(uint16_t* p, const f32x16& v) { store_bf16(p, v); }
};
struct F16InMemory {
  static ESPALIER_INLINE f32x16 load(const uint16_t* p) { return load_f16(p); }
  static ESPALIER_INLINE void store(uint16_t* p, const f32x16& v) { store_f16(p, v); }
};

// The first `n` halves at p (0 <= n <= 16); the other lanes are 0 and are not read.
template <class Half>
ESPALIER_INLINE f32x16 load_half(const uint16_t* p, int n) {
  if (n == logical_lanes) return Half::load(p);
  uint16_t lanes[logical_lanes] = {};
  __builtin_memcpy(lanes, p, static_cast<size_t>(n) * sizeof(uint16_t));
  return Half::load(lanes);
}
// Stores the first `n` lanes, rounded (0 <= n <= 16), and touches no memory past them.
template <class Half>
ESPALIER_INLINE void store_half(uint16_t* p, const f32x16& v, int n) {
  if (n == logical_lanes) return Half::store(p, v);
  uint16_t lanes[logical_lanes];
  Half::store(lanes, v);
  __builtin_memcpy(p, lanes, static_cast<size_t>(n) * sizeof(uint16_t));
}

}  // namespace espalier::ESPALIER_ISA
