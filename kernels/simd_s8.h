// The vocabulary of 8-bit arithmetic: one register of 32-bit sums, and what goes in and out of it.
//
// `dot` multiplies `group` neighbours along K and adds them to a sum, exactly, on every instruction
// set: VNNI takes four unsigned by four signed bytes, Arm's sdot four signed ones, AVX2 two 16-bit
// values (its 8-bit product saturates), plain NEON one. A left operand is therefore stored as
// `a_type`, less a_offset<T>; whoever multiplies adds a_offset<T> times the sum of the right
// operand's column. Floats appear element by element, each operation one IEEE operation.
//
// Only *_simd.h files include this. See kernels/simd.h for the floating-point vocabulary.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/rows.h"

#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <arm_neon.h>
#endif

// Before a loop of constant length over registers, as ESPALIER_UNROLL of kernels/simd.h.
#if defined(__clang__)
#define ESPALIER_UNROLL_REGISTERS _Pragma("clang loop unroll(full)")
#else
#define ESPALIER_UNROLL_REGISTERS _Pragma("GCC unroll 16")
#endif

namespace espalier::ESPALIER_ISA {

template <class T>
constexpr bool is_signed = T(-1) < T(0);

#if defined(__x86_64__)

#if defined(__AVX512VNNI__) || defined(ESPALIER_EMULATE_VNNI)
#define ESPALIER_X86_BYTES 1  // are multiplied as such; otherwise as 16-bit values
constexpr int group = 4;
using a_type = uint8_t;
using b_type = int8_t;
template <class T>
constexpr int a_offset = is_signed<T> ? -128 : 0;
#else
constexpr int group = 2;
using a_type = int16_t;
using b_type = int16_t;
template <class T>
constexpr int a_offset = 0;
#endif

#if defined(__AVX512F__) && !defined(ESPALIER_NARROW_VNNI)
using s32 = __m512i;
using f32v = __m512;
using b_register = s32;
ESPALIER_INLINE s32 zero() { return _mm512_setzero_si512(); }
ESPALIER_INLINE s32 set1(int32_t x) { return _mm512_set1_epi32(x); }
ESPALIER_INLINE f32v set1(float x) { return _mm512_set1_ps(x); }
ESPALIER_INLINE s32 load(const int32_t* p) { return _mm512_loadu_si512(p); }
ESPALIER_INLINE void store(int32_t* p, s32 x) { _mm512_storeu_si512(p, x); }
ESPALIER_INLINE f32v load(const float* p) { return _mm512_loadu_ps(p); }
ESPALIER_INLINE void store(float* p, f32v x) { _mm512_storeu_ps(p, x); }
ESPALIER_INLINE s32 add(s32 a, s32 b) { return _mm512_add_epi32(a, b); }
ESPALIER_INLINE s32 sub(s32 a, s32 b) { return _mm512_sub_epi32(a, b); }
ESPALIER_INLINE s32 max(s32 a, s32 b) { return _mm512_max_epi32(a, b); }
ESPALIER_INLINE s32 bit_and(s32 a, s32 b) { return _mm512_and_si512(a, b); }
ESPALIER_INLINE s32 bit_xor(s32 a, s32 b) { return _mm512_xor_si512(a, b); }
ESPALIER_INLINE s32 multiply(s32 a, s32 b) { return _mm512_mullo_epi32(a, b); }
template <int bits>
ESPALIER_INLINE s32 shift_right(s32 a) {
  return _mm512_srli_epi32(a, bits);
}
ESPALIER_INLINE f32v mul(f32v a, f32v b) { return _mm512_mul_ps(a, b); }
ESPALIER_INLINE f32v fma(f32v a, f32v b, f32v c) { return _mm512_fmadd_ps(a, b, c); }
ESPALIER_INLINE f32v min(f32v a, f32v b) { return _mm512_min_ps(a, b); }
ESPALIER_INLINE f32v max(f32v a, f32v b) { return _mm512_max_ps(a, b); }
ESPALIER_INLINE f32v to_float(s32 x) { return _mm512_cvtepi32_ps(x); }
ESPALIER_INLINE s32 round(f32v x) { return _mm512_cvtps_epi32(x); }
ESPALIER_INLINE s32 load_s16(const int16_t* p) {
  return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
ESPALIER_INLINE s32 load_s8(const int8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
ESPALIER_INLINE void store_s16(int16_t* p, s32 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(x));
}
ESPALIER_INLINE void store_bytes(void* p, s32 x) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
}
#else
using s32 = __m256i;
using f32v = __m256;
using b_register = s32;
ESPALIER_INLINE s32 zero() { return _mm256_setzero_si256(); }
ESPALIER_INLINE s32 set1(int32_t x) { return _mm256_set1_epi32(x); }
ESPALIER_INLINE f32v set1(float x) { return _mm256_set1_ps(x); }
ESPALIER_INLINE s32 load(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
ESPALIER_INLINE void store(int32_t* p, s32 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
}
ESPALIER_INLINE f32v load(const float* p) { return _mm256_loadu_ps(p); }
ESPALIER_INLINE void store(float* p, f32v x) { _mm256_storeu_ps(p, x); }
ESPALIER_INLINE s32 add(s32 a, s32 b) { return _mm256_add_epi32(a, b); }
ESPALIER_INLINE s32 sub(s32 a, s32 b) { return _mm256_sub_epi32(a, b); }
ESPALIER_INLINE s32 max(s32 a, s32 b) { return _mm256_max_epi32(a, b); }
ESPALIER_INLINE s32 bit_and(s32 a, s32 b) { return _mm256_and_si256(a, b); }
ESPALIER_INLINE s32 bit_xor(s32 a, s32 b) { return _mm256_xor_si256(a, b); }
ESPALIER_INLINE s32 multiply(s32 a, s32 b) { return _mm256_mullo_epi32(a, b); }
template <int bits>
ESPALIER_INLINE s32 shift_right(s32 a) {
  return _mm256_srli_epi32(a, bits);
}
ESPALIER_INLINE f32v mul(f32v a, f32v b) { return _mm256_mul_ps(a, b); }
ESPALIER_INLINE f32v fma(f32v a, f32v b, f32v c) { return _mm256_fmadd_ps(a, b, c); }
ESPALIER_INLINE f32v min(f32v a, f32v b) { return _mm256_min_ps(a, b); }
ESPALIER_INLINE f32v max(f32v a, f32v b) { return _mm256_max_ps(a, b); }
ESPALIER_INLINE f32v to_float(s32 x) { return _mm256_cvtepi32_ps(x); }
ESPALIER_INLINE s32 round(f32v x) { return _mm256_cvtps_epi32(x); }
ESPALIER_INLINE s32 load_s16(const int16_t* p) {
  return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
ESPALIER_INLINE s32 load_s8(const int8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
ESPALIER_INLINE __m128i narrowed(s32 x) {
  return _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}
ESPALIER_INLINE void store_s16(int16_t* p, s32 x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrowed(x));
}
// The low bytes of 16-bit values that a byte holds, signed or not.
ESPALIER_INLINE void store_bytes(void* p, s32 x) {
  const __m128i low = _mm_and_si128(narrowed(x), _mm_set1_epi16(0xff));
  _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packus_epi16(low, low));
}
#endif

ESPALIER_INLINE b_register load_b(const b_type* p) {
  s32 b;
  std::memcpy(&b, p, sizeof b);
  return b;
}
// `group` values of the left operand in every lane.
ESPALIER_INLINE s32 broadcast_group(const a_type* p) {
  int32_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return set1(bits);
}

// g++ 12 spills accumulators around the intrinsics of vpdpbusd, halving the rate of a tile.
ESPALIER_INLINE s32 dot(s32 sum, s32 a, s32 b) {
#if defined(__AVX512VNNI__)
  __asm__("%{evex%} vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
#elif defined(ESPALIER_EMULATE_VNNI) && defined(ESPALIER_NARROW_VNNI)
  return emulated_avx512::dpbusd_256(sum, a, b);
#elif defined(ESPALIER_EMULATE_VNNI)
  return emulated_avx512::dpbusd(sum, a, b);
#else
  return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
}

#else  // Arm

using s32 = int32x4_t;
using f32v = float32x4_t;
#if defined(__ARM_FEATURE_DOTPROD)
constexpr int group = 4;
using a_type = int8_t;
using b_type = int8_t;
using b_register = int8x16_t;
template <class T>
constexpr int a_offset = is_signed<T> ? 0 : 128;
ESPALIER_INLINE b_register load_b(const b_type* p) { return vld1q_s8(p); }
ESPALIER_INLINE int8x16_t broadcast_group(const a_type* p) {
  int32_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return vreinterpretq_s8_s32(vdupq_n_s32(bits));
}
ESPALIER_INLINE s32 dot(s32 sum, int8x16_t a, b_register b) { return vdotq_s32(sum, a, b); }
#else
constexpr int group = 1;
using a_type = int16_t;
using b_type = int16_t;
using b_register = int16x4_t;
template <class T>
constexpr int a_offset = 0;
ESPALIER_INLINE b_register load_b(const b_type* p) { return vld1_s16(p); }
ESPALIER_INLINE int16x4_t broadcast_group(const a_type* p) { return vdup_n_s16(*p); }
ESPALIER_INLINE s32 dot(s32 sum, int16x4_t a, b_register b) { return vmlal_s16(sum, a, b); }
#endif
ESPALIER_INLINE s32 zero() { return vdupq_n_s32(0); }
ESPALIER_INLINE s32 set1(int32_t x) { return vdupq_n_s32(x); }
ESPALIER_INLINE f32v set1(float x) { return vdupq_n_f32(x); }
ESPALIER_INLINE s32 load(const int32_t* p) { return vld1q_s32(p); }
ESPALIER_INLINE void store(int32_t* p, s32 x) { vst1q_s32(p, x); }
ESPALIER_INLINE f32v load(const float* p) { return vld1q_f32(p); }
ESPALIER_INLINE void store(float* p, f32v x) { vst1q_f32(p, x); }
ESPALIER_INLINE s32 add(s32 a, s32 b) { return vaddq_s32(a, b); }
ESPALIER_INLINE s32 sub(s32 a, s32 b) { return vsubq_s32(a, b); }
ESPALIER_INLINE s32 max(s32 a, s32 b) { return vmaxq_s32(a, b); }
ESPALIER_INLINE s32 bit_and(s32 a, s32 b) { return vandq_s32(a, b); }
ESPALIER_INLINE s32 multiply(s32 a, s32 b) { return vmulq_s32(a, b); }
template <int bits>
ESPALIER_INLINE s32 shift_right(s32 a) {
  return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), bits));
}
ESPALIER_INLINE f32v mul(f32v a, f32v b) { return vmulq_f32(a, b); }
ESPALIER_INLINE f32v fma(f32v a, f32v b, f32v c) { return vfmaq_f32(c, a, b); }
ESPALIER_INLINE f32v min(f32v a, f32v b) { return vminnmq_f32(a, b); }
ESPALIER_INLINE f32v max(f32v a, f32v b) { return vmaxnmq_f32(a, b); }
ESPALIER_INLINE f32v to_float(s32 x) { return vcvtq_f32_s32(x); }
ESPALIER_INLINE s32 round(f32v x) { return vcvtnq_s32_f32(x); }
ESPALIER_INLINE s32 load_s16(const int16_t* p) { return vmovl_s16(vld1_s16(p)); }
ESPALIER_INLINE s32 load_s8(const int8_t* p) {
  int8x8_t bytes = vdup_n_s8(0);
  std::memcpy(&bytes, p, 4);
  return vmovl_s16(vget_low_s16(vmovl_s8(bytes)));
}
ESPALIER_INLINE void store_s16(int16_t* p, s32 x) { vst1_s16(p, vqmovn_s32(x)); }
ESPALIER_INLINE void store_bytes(void* p, s32 x) {
  const int16x4_t half = vmovn_s32(x);
  const int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
  std::memcpy(p, &bytes, 4);
}

#endif

constexpr int s32_lanes = static_cast<int>(sizeof(s32) / sizeof(int32_t));
constexpr int b_values = s32_lanes * group;  // of one b_register

#if defined(__x86_64__)
ESPALIER_INLINE __m128i quarter_turned(__m128i x) { return _mm_shuffle_epi32(x, 0xb1); }
ESPALIER_INLINE __m128i half_turned(__m128i x) { return _mm_shuffle_epi32(x, 0x4e); }
ESPALIER_INLINE int32_t largest_lane(__m256i x) {
  __m128i y = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  y = _mm_max_epi32(y, half_turned(y));
  return _mm_cvtsi128_si32(_mm_max_epi32(y, quarter_turned(y)));
}
// Of sums that 32 bits hold together.
ESPALIER_INLINE int32_t small_sum_of_lanes(__m256i x) {
  __m128i y = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  y = _mm_add_epi32(y, half_turned(y));
  return _mm_cvtsi128_si32(_mm_add_epi32(y, quarter_turned(y)));
}
#if defined(__AVX512F__) && !defined(ESPALIER_NARROW_VNNI)
ESPALIER_INLINE __m256i lower_half(s32 x) {
  return _mm256_castps_si256(_mm512_castps512_ps256(_mm512_castsi512_ps(x)));
}
ESPALIER_INLINE __m256i upper_half(s32 x) {
  return _mm256_castps_si256(_mm512_extractf32x8_ps(_mm512_castsi512_ps(x), 1));
}
ESPALIER_INLINE int32_t largest_lane(s32 x) {
  return largest_lane(_mm256_max_epi32(lower_half(x), upper_half(x)));
}
ESPALIER_INLINE int32_t small_sum_of_lanes(s32 x) {
  return small_sum_of_lanes(_mm256_add_epi32(lower_half(x), upper_half(x)));
}
#endif
#else
ESPALIER_INLINE int32_t largest_lane(s32 x) { return vmaxvq_s32(x); }
ESPALIER_INLINE int32_t small_sum_of_lanes(s32 x) { return vaddvq_s32(x); }
#endif

// A row of the left operand in its stored form, padded with zeros to whole groups (which meet
// zeros of the right operand).
template <class T>
ESPALIER_INLINE void store_left(const T* a, int64_t K, a_type* to) {
  for (int64_t k = 0; k < K; ++k) to[k] = static_cast<a_type>(a[k] - a_offset<T>);
  for (int64_t k = K; k % group; ++k) to[k] = 0;
}

// Neighbours of 2 * s32_lanes values, added, and their squares, added: those as unsigned values.
struct SumsOfPairs {
  s32 sum, square;

#if defined(__AVX512F__) && !defined(ESPALIER_NARROW_VNNI)
  ESPALIER_INLINE explicit SumsOfPairs(const int16_t* p) {
    const s32 x = _mm512_loadu_si512(p);
    sum = _mm512_madd_epi16(x, _mm512_set1_epi16(1)), square = _mm512_madd_epi16(x, x);
  }
#elif defined(__x86_64__)
  ESPALIER_INLINE explicit SumsOfPairs(const int16_t* p) {
    const s32 x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    sum = _mm256_madd_epi16(x, _mm256_set1_epi16(1)), square = _mm256_madd_epi16(x, x);
  }
#else
  ESPALIER_INLINE explicit SumsOfPairs(const int16_t* p) {
    const int16x8_t x = vld1q_s16(p);
    const int16x4_t low = vget_low_s16(x), high = vget_high_s16(x);
    sum = vpaddlq_s16(x), square = vpaddq_s32(vmull_s16(low, low), vmull_s16(high, high));
  }
#endif
};

// Rounds to nearest even within [low, high], whole numbers that a float holds exactly; NaN gives
// `low`, as the first comparison is with that.
ESPALIER_INLINE s32 round_within(f32v x, f32v low, f32v high) {
  return round(min(max(x, low), high));
}

// ---- results, two registers at a time ----------------------------------------------------------

// Rounds to nearest even; what 32 bits could not hold is limited here, the rest by the stores
// below. NaN becomes the lowest.
ESPALIER_INLINE s32 rounded(f32v x) {
#if defined(__x86_64__)
  return round(min(set1(65536.0f), x));  // of NaN and a number, the second; rounded, the lowest
#else
  return round(min(max(x, set1(-65536.0f)), set1(65536.0f)));
#endif
}

// p[i] = limit(x[i] + zero_point, -128, 127), first those of a, then those of b.
ESPALIER_INLINE void store_codes(int8_t* p, s32 a, s32 b, int zero_point) {
  const auto zero = static_cast<int16_t>(zero_point);
#if defined(__AVX512F__) && !defined(ESPALIER_NARROW_VNNI)
  static constexpr int32_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13};
  const s32 wide = _mm512_adds_epi16(_mm512_packs_epi32(a, b), _mm512_set1_epi16(zero));
  const s32 codes = _mm512_permutexvar_epi32(load(order), _mm512_packs_epi16(wide, wide));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), lower_half(codes));
#elif defined(__x86_64__)
  const s32 wide = _mm256_adds_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16(zero));
  const s32 codes = _mm256_packs_epi16(wide, wide);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(p),
      _mm_unpacklo_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1)));
#else
  vst1_s8(p, vqmovn_s16(vqaddq_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)), vdupq_n_s16(zero))));
#endif
}

// p[i] = limit(p[i] + x[i], -32768, 32767).
ESPALIER_INLINE void add_to(int16_t* p, s32 a, s32 b) {
#if defined(__AVX512F__) && !defined(ESPALIER_NARROW_VNNI)
  static constexpr int64_t order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  const s32 x = _mm512_permutexvar_epi64(_mm512_loadu_si512(order), _mm512_packs_epi32(a, b));
  _mm512_storeu_si512(p, _mm512_adds_epi16(_mm512_loadu_si512(p), x));
#elif defined(__x86_64__)
  const s32 x = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
  __m256i* at = reinterpret_cast<__m256i*>(p);
  _mm256_storeu_si256(at, _mm256_adds_epi16(_mm256_loadu_si256(at), x));
#else
  vst1q_s16(p, vqaddq_s16(vld1q_s16(p), vcombine_s16(vqmovn_s32(a), vqmovn_s32(b))));
#endif
}

// ---- parts of two registers --------------------------------------------------------------------

// `bytes`, up to `whole`, and zeros: 64 of them leave by one store, so that registers that are read
// back need not wait for two to meet.
template <int whole>
ESPALIER_INLINE void copy_padded(void* to, const void* from, int64_t bytes) {
#if defined(__AVX512BW__)
  if constexpr (whole % 64 == 0) {
    for (int at = 0; at < whole; at += 64, bytes -= 64) {
      const uint64_t there = bytes >= 64 ? ~0ull : bytes > 0 ? (1ull << bytes) - 1 : 0;
      _mm512_storeu_si512(static_cast<char*>(to) + at,
                          _mm512_maskz_loadu_epi8(there, static_cast<const char*>(from) + at));
    }
    return;
  }
#endif
  std::memset(to, 0, whole);
  std::memcpy(to, from, static_cast<size_t>(bytes));
}

// `bytes` of `whole`: half of them, which is what pruning often leaves, by registers.
template <int whole>
ESPALIER_INLINE void copy_part(void* to, const void* from, int64_t bytes) {
  if (bytes == whole / 2)
    std::memcpy(to, from, whole / 2);
  else
    std::memcpy(to, from, static_cast<size_t>(bytes));
}

}  // namespace espalier::ESPALIER_ISA
