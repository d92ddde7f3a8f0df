// Sixteen lanes of unsigned 32-bit words: the integer side of the vocabulary in simd.h.
#pragma once

#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

using u32 = xsimd::batch<uint32_t, Arch>;  // one hardware register of words

struct u32x16 {
  u32 part[registers];
};

template <class F, class... V>
ESPALIER_INLINE u32x16 each_u32(F f, const V&... v) {
  u32x16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = f(v.part[i]...);
  return out;
}

ESPALIER_INLINE u32x16 broadcast_u32(uint32_t value) {
  u32x16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = u32(value);
  return out;
}
ESPALIER_INLINE u32x16 load_u32(const uint32_t* p) {
  u32x16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = u32::load_unaligned(p + i * hardware_lanes);
  return out;
}
ESPALIER_INLINE void store(uint32_t* p, const u32x16& v) {
  for (int i = 0; i < registers; ++i) v.part[i].store_unaligned(p + i * hardware_lanes);
}
// Each lane as a byte; lanes must be below 256.
ESPALIER_INLINE void store_bytes(uint8_t* p, const u32x16& v) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v.part[0]));
#elif defined(__AVX2__)
  const __m256i pairs = _mm256_packus_epi32(v.part[0], v.part[1]);  // in halves of 128 bits
  const __m256i words = _mm256_permute4x64_epi64(pairs, 0xd8);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(p),
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
#else
  const uint16x8_t low =
      vuzp1q_u16(vreinterpretq_u16_u32(v.part[0]), vreinterpretq_u16_u32(v.part[1]));
  const uint16x8_t high =
      vuzp1q_u16(vreinterpretq_u16_u32(v.part[2]), vreinterpretq_u16_u32(v.part[3]));
  vst1q_u8(p, vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high)));
#endif
}

ESPALIER_INLINE u32x16 operator+(const u32x16& a, const u32x16& b) {
  return each_u32([](u32 x, u32 y) { return x + y; }, a, b);
}
ESPALIER_INLINE u32x16 operator-(const u32x16& a, const u32x16& b) {
  return each_u32([](u32 x, u32 y) { return x - y; }, a, b);
}
ESPALIER_INLINE u32x16 operator^(const u32x16& a, const u32x16& b) {
  return each_u32([](u32 x, u32 y) { return x ^ y; }, a, b);
}
ESPALIER_INLINE u32x16 operator&(const u32x16& a, const u32x16& b) {
  return each_u32([](u32 x, u32 y) { return x & y; }, a, b);
}
ESPALIER_INLINE u32x16 operator<<(const u32x16& a, int bits) {
  return each_u32([bits](u32 x) { return x << bits; }, a);
}
// Zeros come in at the top.
ESPALIER_INLINE u32x16 operator>>(const u32x16& a, int bits) {
  return each_u32([bits](u32 x) { return x >> bits; }, a);
}
// Copies of the sign bit come in at the top.
ESPALIER_INLINE u32x16 shift_right_signed(const u32x16& a, int bits) {
  const auto one = [bits](u32 x) { return bits_as<u32>(bits_as<i32>(x) >> bits); };
  return each_u32(one, a);
}

// 1 in each lane that is >= bound as an unsigned number, else 0.
ESPALIER_INLINE u32x16 at_least(const u32x16& a, uint32_t bound) {
  u32x16 out;
  for (int i = 0; i < registers; ++i) {
#if defined(__AVX512F__)
    const __m512i x = a.part[i], least = _mm512_set1_epi32(static_cast<int>(bound));
    out.part[i] = _mm512_maskz_set1_epi32(_mm512_cmp_epu32_mask(x, least, _MM_CMPINT_NLT), 1);
#elif defined(__AVX2__)
    const __m256i x = a.part[i], least = _mm256_set1_epi32(static_cast<int>(bound));
    out.part[i] = _mm256_srli_epi32(_mm256_cmpeq_epi32(_mm256_max_epu32(x, least), x), 31);
#else
    out.part[i] = vshrq_n_u32(vcgeq_u32(a.part[i], vdupq_n_u32(bound)), 31);
#endif
  }
  return out;
}

ESPALIER_INLINE f32x16 bits_to_float(const u32x16& a) {
  return each([](u32 x) { return bits_as<f32>(x); }, a);
}
ESPALIER_INLINE u32x16 float_to_bits(const f32x16& a) {
  return each_u32([](f32 x) { return bits_as<u32>(x); }, a);
}
// The lane as a two's complement integer, rounded to nearest even.
ESPALIER_INLINE f32x16 signed_to_float(const u32x16& a) {
  return each([](u32 x) { return xsimd::to_float(bits_as<i32>(x)); }, a);
}
// Rounded to nearest even: both halves are exact, so only the sum rounds.
ESPALIER_INLINE f32x16 unsigned_to_float(const u32x16& a) {
  const f32x16 high = signed_to_float(a >> 16), low = signed_to_float(a & broadcast_u32(0xffff));
  return high * broadcast(65536.0f) + low;
}

struct HighLow {
  u32x16 high, low;
};

// Both halves of the 64-bit product of each lane with `factor`.
ESPALIER_INLINE HighLow multiply_wide(const u32x16& a, uint32_t factor) {
  HighLow out;
  for (int i = 0; i < registers; ++i) {
#if defined(__AVX512F__)
    const __m512i x = a.part[i], f = _mm512_set1_epi32(static_cast<int>(factor));
    const __m512i even = _mm512_mul_epu32(x, f);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), f);
    out.low.part[i] = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    out.high.part[i] = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
#elif defined(__AVX2__)
    const __m256i x = a.part[i], f = _mm256_set1_epi32(static_cast<int>(factor));
    const __m256i even = _mm256_mul_epu32(x, f);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), f);
    out.low.part[i] = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    out.high.part[i] = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
#else
    const uint32x4_t x = a.part[i];
    const uint32x4_t first = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(x), factor));
    const uint32x4_t second = vreinterpretq_u32_u64(vmull_n_u32(vget_high_u32(x), factor));
    out.low.part[i] = vuzp1q_u32(first, second);
    out.high.part[i] = vuzp2q_u32(first, second);
#endif
  }
  return out;
}

}  // namespace espalier::ESPALIER_ISA
