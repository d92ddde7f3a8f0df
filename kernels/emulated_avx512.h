// AVX-512 for machines without it: the intrinsics that the avx512 rows use, each as two AVX2
// instructions, so that every test can run those rows. The meson option `emulate=avx512` puts this
// header before the units of those rows and compiles them for AVX2; nothing else knows of it.
//
// An intrinsic that is missing here fails to compile with "target specific option mismatch": define
// it below, and name it in the list at the end.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/emulated_bf16.h"

// Set after immintrin.h has chosen what this machine really has.
#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512CD__ 1
#define __AVX512DQ__ 1
#define __AVX512VL__ 1

#define ESPALIER_EMULATED_UNIT 1
#define EMULATED static inline __attribute__((always_inline))

namespace emulated_avx512 {

// One 512-bit register as the two 256-bit ones that do its work.
template <class Whole, class Half>
struct Pair {
  Half low, high;
};

template <class Half, class Whole>
EMULATED Pair<Whole, Half> split(Whole v) {
  Pair<Whole, Half> halves;
  std::memcpy(&halves, &v, sizeof(halves));
  return halves;
}

template <class Whole, class Half>
EMULATED Whole join(Half low, Half high) {
  Pair<Whole, Half> halves = {low, high};
  Whole v;
  std::memcpy(&v, &halves, sizeof(v));
  return v;
}

#define EMULATE_1(name, narrow, To, ToHalf, From, FromHalf) \
  EMULATED To name(From a) {                                \
    const auto x = split<FromHalf>(a);                      \
    return join<To, ToHalf>(narrow(x.low), narrow(x.high)); \
  }
#define EMULATE_2(name, narrow, T, Half)                                \
  EMULATED T name(T a, T b) {                                           \
    const auto x = split<Half>(a), y = split<Half>(b);                  \
    return join<T, Half>(narrow(x.low, y.low), narrow(x.high, y.high)); \
  }
#define EMULATE_3(name, narrow, T, Half)                                               \
  EMULATED T name(T a, T b, T c) {                                                     \
    const auto x = split<Half>(a), y = split<Half>(b), z = split<Half>(c);             \
    return join<T, Half>(narrow(x.low, y.low, z.low), narrow(x.high, y.high, z.high)); \
  }
#define EMULATE_SHIFT(name, narrow)                                             \
  EMULATED __m512i name(__m512i a, int count) {                                 \
    const auto x = split<__m256i>(a);                                           \
    return join<__m512i, __m256i>(narrow(x.low, count), narrow(x.high, count)); \
  }

// ---- floats ----------------------------------------------------------------------------------

EMULATE_2(add_ps, _mm256_add_ps, __m512, __m256)
EMULATE_2(sub_ps, _mm256_sub_ps, __m512, __m256)
EMULATE_2(mul_ps, _mm256_mul_ps, __m512, __m256)
EMULATE_2(div_ps, _mm256_div_ps, __m512, __m256)
EMULATE_2(min_ps, _mm256_min_ps, __m512, __m256)
EMULATE_2(max_ps, _mm256_max_ps, __m512, __m256)
EMULATE_2(and_ps, _mm256_and_ps, __m512, __m256)
EMULATE_2(andnot_ps, _mm256_andnot_ps, __m512, __m256)
EMULATE_2(or_ps, _mm256_or_ps, __m512, __m256)
EMULATE_2(xor_ps, _mm256_xor_ps, __m512, __m256)
EMULATE_3(fmadd_ps, _mm256_fmadd_ps, __m512, __m256)
EMULATE_3(fmsub_ps, _mm256_fmsub_ps, __m512, __m256)
EMULATE_3(fnmadd_ps, _mm256_fnmadd_ps, __m512, __m256)
EMULATE_1(sqrt_ps, _mm256_sqrt_ps, __m512, __m256, __m512, __m256)
EMULATE_1(cvtepi32_ps, _mm256_cvtepi32_ps, __m512, __m256, __m512i, __m256i)
EMULATE_1(cvtps_epi32, _mm256_cvtps_epi32, __m512i, __m256i, __m512, __m256)
EMULATE_1(cvttps_epi32, _mm256_cvttps_epi32, __m512i, __m256i, __m512, __m256)

EMULATED __m512 castsi512_ps(__m512i a) { return reinterpret_cast<__m512>(a); }
EMULATED __m512i castps_si512(__m512 a) { return reinterpret_cast<__m512i>(a); }
EMULATED __m512 set1_ps(float a) { return join<__m512>(_mm256_set1_ps(a), _mm256_set1_ps(a)); }
EMULATED __m512 setzero_ps() { return set1_ps(0.0f); }

EMULATED __m512 loadu_ps(const void* p) {
  const float* first = static_cast<const float*>(p);
  return join<__m512>(_mm256_loadu_ps(first), _mm256_loadu_ps(first + 8));
}
EMULATED void storeu_ps(void* p, __m512 a) {
  const auto x = split<__m256>(a);
  _mm256_storeu_ps(static_cast<float*>(p), x.low);
  _mm256_storeu_ps(static_cast<float*>(p) + 8, x.high);
}

template <int Comparison>
EMULATED __mmask16 cmp_ps_mask(__m512 a, __m512 b) {
  const auto x = split<__m256>(a), y = split<__m256>(b);
  const int low = _mm256_movemask_ps(_mm256_cmp_ps(x.low, y.low, Comparison));
  const int high = _mm256_movemask_ps(_mm256_cmp_ps(x.high, y.high, Comparison));
  return static_cast<__mmask16>(low | high << 8);
}

EMULATED float cvtss_f32(__m512 a) { return a[0]; }
EMULATED __m256 castps512_ps256(__m512 a) { return split<__m256>(a).low; }
EMULATED __m512 castps128_ps512(__m128 a) {
  return join<__m512>(_mm256_castps128_ps256(a), _mm256_setzero_ps());
}

// ---- doubles ---------------------------------------------------------------------------------

EMULATE_2(add_pd, _mm256_add_pd, __m512d, __m256d)
EMULATE_2(sub_pd, _mm256_sub_pd, __m512d, __m256d)
EMULATE_2(mul_pd, _mm256_mul_pd, __m512d, __m256d)
EMULATE_2(div_pd, _mm256_div_pd, __m512d, __m256d)
EMULATE_3(fmadd_pd, _mm256_fmadd_pd, __m512d, __m256d)
EMULATE_1(sqrt_pd, _mm256_sqrt_pd, __m512d, __m256d, __m512d, __m256d)
EMULATE_1(cvtps_pd, _mm256_cvtps_pd, __m512d, __m256d, __m256, __m128)

EMULATED __m512d set1_pd(double a) { return join<__m512d>(_mm256_set1_pd(a), _mm256_set1_pd(a)); }
EMULATED __m512d setzero_pd() { return set1_pd(0.0); }
EMULATED __m512d loadu_pd(const void* p) { return reinterpret_cast<__m512d>(loadu_ps(p)); }
EMULATED void storeu_pd(void* p, __m512d a) { storeu_ps(p, reinterpret_cast<__m512>(a)); }

// ---- moves within a register -----------------------------------------------------------------

EMULATE_2(unpacklo_ps, _mm256_unpacklo_ps, __m512, __m256)
EMULATE_2(unpackhi_ps, _mm256_unpackhi_ps, __m512, __m256)

template <int Selection>
EMULATED __m512 permute_ps(__m512 a) {
  const auto x = split<__m256>(a);
  return join<__m512>(_mm256_permute_ps(x.low, Selection), _mm256_permute_ps(x.high, Selection));
}
template <int Selection>
EMULATED __m512 shuffle_ps(__m512 a, __m512 b) {
  const auto x = split<__m256>(a), y = split<__m256>(b);
  return join<__m512>(_mm256_shuffle_ps(x.low, y.low, Selection),
                      _mm256_shuffle_ps(x.high, y.high, Selection));
}

// A register as four groups of four floats.
struct Quarters {
  __m128 part[4];
};
EMULATED Quarters quarters(__m512 a) {
  Quarters out;
  std::memcpy(&out, &a, sizeof(out));
  return out;
}
EMULATED __m512 from_quarters(const Quarters& q) {
  __m512 a;
  std::memcpy(&a, &q, sizeof(a));
  return a;
}

template <int Selection>
EMULATED __m512 shuffle_f32x4(__m512 a, __m512 b) {
  const Quarters x = quarters(a), y = quarters(b);
  return from_quarters({{x.part[Selection & 3], x.part[Selection >> 2 & 3],
                         y.part[Selection >> 4 & 3], y.part[Selection >> 6 & 3]}});
}
template <int Place>
EMULATED __m512 insertf32x4(__m512 a, __m128 b) {
  Quarters x = quarters(a);
  x.part[Place] = b;
  return from_quarters(x);
}
template <int Place>
EMULATED __m128 extractf32x4_ps(__m512 a) {
  return quarters(a).part[Place];
}
template <int Place>
EMULATED __m256 extractf32x8_ps(__m512 a) {
  return Place ? split<__m256>(a).high : split<__m256>(a).low;
}

// ---- integers --------------------------------------------------------------------------------

EMULATE_2(add_epi32, _mm256_add_epi32, __m512i, __m256i)
EMULATE_2(sub_epi32, _mm256_sub_epi32, __m512i, __m256i)
EMULATE_2(mullo_epi32, _mm256_mullo_epi32, __m512i, __m256i)
EMULATE_2(min_epi32, _mm256_min_epi32, __m512i, __m256i)
EMULATE_2(max_epi32, _mm256_max_epi32, __m512i, __m256i)
EMULATE_2(and_si512, _mm256_and_si256, __m512i, __m256i)
EMULATE_2(andnot_si512, _mm256_andnot_si256, __m512i, __m256i)
EMULATE_2(or_si512, _mm256_or_si256, __m512i, __m256i)
EMULATE_2(xor_si512, _mm256_xor_si256, __m512i, __m256i)
EMULATE_2(mul_epu32, _mm256_mul_epu32, __m512i, __m256i)
EMULATE_SHIFT(slli_epi32, _mm256_slli_epi32)
EMULATE_SHIFT(srli_epi32, _mm256_srli_epi32)
EMULATE_SHIFT(srai_epi32, _mm256_srai_epi32)
EMULATE_SHIFT(slli_epi64, _mm256_slli_epi64)
EMULATE_SHIFT(srli_epi64, _mm256_srli_epi64)

EMULATED __m512i set1_epi32(int a) {
  return join<__m512i>(_mm256_set1_epi32(a), _mm256_set1_epi32(a));
}
EMULATED __m512i setzero_si512() { return set1_epi32(0); }
EMULATED __m512i loadu_si512(const void* p) { return castps_si512(loadu_ps(p)); }
EMULATED void storeu_si512(void* p, __m512i a) { storeu_ps(p, castsi512_ps(a)); }
EMULATED __m512i maskz_loadu_epi8(unsigned long long mask, const void* p) {
  char bytes[64] = {};
  for (int i = 0; i < 64; ++i)
    if (mask >> i & 1) bytes[i] = static_cast<const char*>(p)[i];
  return loadu_si512(bytes);
}

EMULATED __m512i cvtepu8_epi32(__m128i a) {
  return join<__m512i>(_mm256_cvtepu8_epi32(a), _mm256_cvtepu8_epi32(_mm_srli_si128(a, 8)));
}
// Takes its operand as unsigned, so a negative number becomes 255.
EMULATED __m128i cvtusepi32_epi8(__m512i a) {
  uint32_t wide[16];
  uint8_t narrow[16];
  std::memcpy(wide, &a, sizeof(wide));
  for (int i = 0; i < 16; ++i) narrow[i] = static_cast<uint8_t>(wide[i] > 255 ? 255 : wide[i]);
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(narrow));
}

template <int Comparison, class T>
EMULATED bool compare(T a, T b) {
  switch (Comparison) {
    case _MM_CMPINT_EQ:
      return a == b;
    case _MM_CMPINT_LT:
      return a < b;
    case _MM_CMPINT_LE:
      return a <= b;
    case _MM_CMPINT_NE:
      return a != b;
    case _MM_CMPINT_NLT:
      return a >= b;
    default:
      return a > b;
  }
}
template <int Comparison, class T>
EMULATED __mmask16 cmp_mask(__m512i a, __m512i b) {
  T x[16], y[16];
  std::memcpy(x, &a, sizeof(x));
  std::memcpy(y, &b, sizeof(y));
  unsigned mask = 0;
  for (int i = 0; i < 16; ++i) mask |= static_cast<unsigned>(compare<Comparison>(x[i], y[i])) << i;
  return static_cast<__mmask16>(mask);
}

// ---- masks -----------------------------------------------------------------------------------

// All bits set in each of the eight lanes from `first` on whose bit of `mask` is set.
EMULATED __m256i lanes_of(__mmask16 mask, int first) {
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(mask >> first), bit), bit);
}

// Lanes of `b` where the mask is set, else of `a`.
EMULATED __m512 mask_blend_ps(__mmask16 mask, __m512 a, __m512 b) {
  const auto x = split<__m256>(a), y = split<__m256>(b);
  return join<__m512>(_mm256_blendv_ps(x.low, y.low, _mm256_castsi256_ps(lanes_of(mask, 0))),
                      _mm256_blendv_ps(x.high, y.high, _mm256_castsi256_ps(lanes_of(mask, 8))));
}
EMULATED __m512i mask_blend_epi32(__mmask16 mask, __m512i a, __m512i b) {
  return castps_si512(mask_blend_ps(mask, castsi512_ps(a), castsi512_ps(b)));
}
// `value` where the mask is set, else zero.
EMULATED __m512i maskz_set1_epi32(__mmask16 mask, int value) {
  return mask_blend_epi32(mask, setzero_si512(), set1_epi32(value));
}
// Memory behind a clear bit is not touched.
EMULATED __m512 mask_loadu_ps(__m512 a, __mmask16 mask, const void* p) {
  const float* first = static_cast<const float*>(p);
  const __m512 loaded = join<__m512>(_mm256_maskload_ps(first, lanes_of(mask, 0)),
                                     _mm256_maskload_ps(first + 8, lanes_of(mask, 8)));
  return mask_blend_ps(mask, a, loaded);
}
EMULATED void mask_storeu_ps(void* p, __mmask16 mask, __m512 a) {
  const auto x = split<__m256>(a);
  _mm256_maskstore_ps(static_cast<float*>(p), lanes_of(mask, 0), x.low);
  _mm256_maskstore_ps(static_cast<float*>(p) + 8, lanes_of(mask, 8), x.high);
}

EMULATED __m512i set_epi32(int32_t p, int32_t o, int32_t n, int32_t m, int32_t l, int32_t k,
                           int32_t j, int32_t i, int32_t h, int32_t g, int32_t f, int32_t e,
                           int32_t d, int32_t c, int32_t b, int32_t a) {
  const int32_t lanes[16] = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p};
  __m512i v;
  std::memcpy(&v, lanes, sizeof(v));
  return v;
}

// Lane i of the result is lane index[i] % 32 of a and b, one after the other.
EMULATED __m512 permutex2var_ps(__m512 a, __m512i index, __m512 b) {
  float from[32], to[16];
  int32_t lane[16];
  std::memcpy(from, &a, sizeof(a));
  std::memcpy(from + 16, &b, sizeof(b));
  std::memcpy(lane, &index, sizeof(index));
  for (int i = 0; i < 16; ++i) to[i] = from[lane[i] & 31];
  __m512 v;
  std::memcpy(&v, to, sizeof(v));
  return v;
}

EMULATED __m512i cvtepu16_epi32(__m256i a) {
  return join<__m512i>(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)),
                       _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)));
}
EMULATED __m512 cvtph_ps(__m256i a) {
  return join<__m512>(_mm256_cvtph_ps(_mm256_castsi256_si128(a)),
                      _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
}
template <int Rounding>
EMULATED __m256i cvtps_ph(__m512 a) {
  const auto x = split<__m256>(a);
  return _mm256_set_m128i(_mm256_cvtps_ph(x.high, Rounding), _mm256_cvtps_ph(x.low, Rounding));
}

// The low half of each lane.
EMULATED __m256i cvtepi32_epi16(__m512i a) {
  uint16_t half[32], low[16];
  std::memcpy(half, &a, sizeof(a));
  for (int i = 0; i < 16; ++i) low[i] = half[2 * i];
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
}

// vdpbf16ps: in each lane the product of the upper bf16, then that of the lower, denormals as zeros
// on the way in and out.
EMULATED __m512 dpbf16_ps(__m512 sum, __m512 a, __m512 b) {
  float total[16];
  uint32_t x[16], y[16];
  std::memcpy(total, &sum, sizeof(sum));
  std::memcpy(x, &a, sizeof(a));
  std::memcpy(y, &b, sizeof(b));
  for (int i = 0; i < 16; ++i)
    for (int shift = 0; shift <= 16; shift += 16) {
      const uint32_t left = x[i] << shift & 0xffff0000u, right = y[i] << shift & 0xffff0000u;
      float p, q;
      std::memcpy(&p, &left, sizeof(p));
      std::memcpy(&q, &right, sizeof(q));
      using emulated_bf16::flushed;
      total[i] = flushed(__builtin_fmaf(flushed(p), flushed(q), flushed(total[i])));
    }
  return loadu_ps(total);
}

// The low byte of each lane.
EMULATED __m128i cvtepi32_epi8(__m512i a) {
  int32_t lane[16];
  uint8_t low[16];
  std::memcpy(lane, &a, sizeof(a));
  for (int i = 0; i < 16; ++i) low[i] = static_cast<uint8_t>(lane[i]);
  __m128i v;
  std::memcpy(&v, low, sizeof(v));
  return v;
}

}  // namespace emulated_avx512

#define _mm512_add_ps emulated_avx512::add_ps
#define _mm512_sub_ps emulated_avx512::sub_ps
#define _mm512_mul_ps emulated_avx512::mul_ps
#define _mm512_div_ps emulated_avx512::div_ps
#define _mm512_min_ps emulated_avx512::min_ps
#define _mm512_max_ps emulated_avx512::max_ps
#define _mm512_and_ps emulated_avx512::and_ps
#define _mm512_andnot_ps emulated_avx512::andnot_ps
#define _mm512_or_ps emulated_avx512::or_ps
#define _mm512_xor_ps emulated_avx512::xor_ps
#define _mm512_fmadd_ps emulated_avx512::fmadd_ps
#define _mm512_fmsub_ps emulated_avx512::fmsub_ps
#define _mm512_fnmadd_ps emulated_avx512::fnmadd_ps
#define _mm512_sqrt_ps emulated_avx512::sqrt_ps
#define _mm512_cvtepi32_ps emulated_avx512::cvtepi32_ps
#define _mm512_cvtps_epi32 emulated_avx512::cvtps_epi32
#define _mm512_cvttps_epi32 emulated_avx512::cvttps_epi32
#define _mm512_add_pd emulated_avx512::add_pd
#define _mm512_sub_pd emulated_avx512::sub_pd
#define _mm512_mul_pd emulated_avx512::mul_pd
#define _mm512_div_pd emulated_avx512::div_pd
#define _mm512_fmadd_pd emulated_avx512::fmadd_pd
#define _mm512_sqrt_pd emulated_avx512::sqrt_pd
#define _mm512_cvtps_pd emulated_avx512::cvtps_pd
#define _mm512_unpacklo_ps emulated_avx512::unpacklo_ps
#define _mm512_unpackhi_ps emulated_avx512::unpackhi_ps
#define _mm512_add_epi32 emulated_avx512::add_epi32
#define _mm512_sub_epi32 emulated_avx512::sub_epi32
#define _mm512_mullo_epi32 emulated_avx512::mullo_epi32
#define _mm512_min_epi32 emulated_avx512::min_epi32
#define _mm512_max_epi32 emulated_avx512::max_epi32
#define _mm512_and_si512 emulated_avx512::and_si512
#define _mm512_andnot_si512 emulated_avx512::andnot_si512
#define _mm512_or_si512 emulated_avx512::or_si512
#define _mm512_xor_si512 emulated_avx512::xor_si512
#define _mm512_mul_epu32 emulated_avx512::mul_epu32
#define _mm512_slli_epi32 emulated_avx512::slli_epi32
#define _mm512_srli_epi32 emulated_avx512::srli_epi32
#define _mm512_srai_epi32 emulated_avx512::srai_epi32
#define _mm512_slli_epi64 emulated_avx512::slli_epi64
#define _mm512_srli_epi64 emulated_avx512::srli_epi64
#define _mm512_castsi512_ps emulated_avx512::castsi512_ps
#define _mm512_castps_si512 emulated_avx512::castps_si512
#define _mm512_set1_ps emulated_avx512::set1_ps
#define _mm512_setzero_ps emulated_avx512::setzero_ps
#define _mm512_loadu_ps emulated_avx512::loadu_ps
#define _mm512_storeu_ps emulated_avx512::storeu_ps
#define _mm512_cvtss_f32 emulated_avx512::cvtss_f32
#define _mm512_castps512_ps256 emulated_avx512::castps512_ps256
#define _mm512_castps128_ps512 emulated_avx512::castps128_ps512
#define _mm512_set1_pd emulated_avx512::set1_pd
#define _mm512_setzero_pd emulated_avx512::setzero_pd
#define _mm512_loadu_pd emulated_avx512::loadu_pd
#define _mm512_storeu_pd emulated_avx512::storeu_pd
#define _mm512_set1_epi32 emulated_avx512::set1_epi32
#define _mm512_setzero_si512 emulated_avx512::setzero_si512
#define _mm512_loadu_si512 emulated_avx512::loadu_si512
#define _mm512_storeu_si512 emulated_avx512::storeu_si512
#define _mm512_cvtepu8_epi32 emulated_avx512::cvtepu8_epi32
#define _mm512_cvtusepi32_epi8 emulated_avx512::cvtusepi32_epi8
#define _mm512_mask_blend_ps emulated_avx512::mask_blend_ps
#define _mm512_mask_blend_epi32 emulated_avx512::mask_blend_epi32
#define _mm512_maskz_loadu_epi8 emulated_avx512::maskz_loadu_epi8
#define _mm512_maskz_set1_epi32 emulated_avx512::maskz_set1_epi32
#define _mm512_mask_loadu_ps emulated_avx512::mask_loadu_ps
#define _mm512_mask_storeu_ps emulated_avx512::mask_storeu_ps
#define _mm512_cvtepu16_epi32 emulated_avx512::cvtepu16_epi32
#define _mm512_cvtph_ps emulated_avx512::cvtph_ps
#define _mm512_cvtepi32_epi16 emulated_avx512::cvtepi32_epi16
#define _mm512_cvtepi32_epi8 emulated_avx512::cvtepi32_epi8
#define _mm512_set_epi32 emulated_avx512::set_epi32
#define _mm512_permutex2var_ps emulated_avx512::permutex2var_ps
#define _mm512_load_ps emulated_avx512::loadu_ps
#define _mm512_store_ps emulated_avx512::storeu_ps
#define _mm512_load_pd emulated_avx512::loadu_pd
#define _mm512_store_pd emulated_avx512::storeu_pd
#define _mm512_load_si512 emulated_avx512::loadu_si512
#define _mm512_store_si512 emulated_avx512::storeu_si512

// Those whose last operand is part of the instruction.
#define _mm512_cmp_ps_mask(a, b, comparison) emulated_avx512::cmp_ps_mask<comparison>(a, b)
#define _mm512_cmp_epi32_mask(a, b, comparison) emulated_avx512::cmp_mask<comparison, int32_t>(a, b)
#define _mm512_cmp_epu32_mask(a, b, comparison) \
  emulated_avx512::cmp_mask<comparison, uint32_t>(a, b)
#define _mm512_cvtps_ph(a, rounding) emulated_avx512::cvtps_ph<rounding>(a)
#define _mm512_permute_ps(a, selection) emulated_avx512::permute_ps<selection>(a)
#define _mm512_shuffle_ps(a, b, selection) emulated_avx512::shuffle_ps<selection>(a, b)
#define _mm512_shuffle_f32x4(a, b, selection) emulated_avx512::shuffle_f32x4<selection>(a, b)
#define _mm512_insertf32x4(a, b, place) emulated_avx512::insertf32x4<place>(a, b)
#define _mm512_extractf32x4_ps(a, place) emulated_avx512::extractf32x4_ps<place>(a)
#define _mm512_extractf32x8_ps(a, place) emulated_avx512::extractf32x8_ps<place>(a)

#include "kernels/emulated_avx512_s8.h"

#undef EMULATE_1
#undef EMULATE_2
#undef EMULATE_3
#undef EMULATE_SHIFT
#undef EMULATED
