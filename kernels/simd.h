// The vocabulary that every SIMD algorithm is written in: sixteen logical lanes on every ISA.
//
// `f32x16` is one AVX-512 register, two AVX2 registers or four NEON registers. Each lane sees the
// same IEEE operation in the same order everywhere, and reduce_add() adds lanes in one fixed tree,
// so a row-wise algorithm written on it gives the same bits on every ISA.
//
// Only *_simd.h files include this, and only the per-ISA translation units include those. The build
// defines ESPALIER_ISA as the namespace of the unit. Everything here is force-inlined, and xsimd is
// renamed per ISA, so that no symbol compiled for one ISA can be linked into another's code.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

#include "kernels/xsimd_of_unit.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// For lambdas, after the parameters: [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA { ... }
#define ESPALIER_INLINE_LAMBDA __attribute__((always_inline))

// Before a loop of constant length over registers: unrolled early enough that an array of them
// never goes through memory. ESPALIER_UNROLL_2 and _4: of any length, so that its own instructions
// count less.
#if defined(__clang__)
#define ESPALIER_UNROLL _Pragma("clang loop unroll(full)")
#define ESPALIER_UNROLL_2 _Pragma("clang loop unroll_count(2)")
#define ESPALIER_UNROLL_4 _Pragma("clang loop unroll_count(4)")
#else
#define ESPALIER_UNROLL _Pragma("GCC unroll 16")
#define ESPALIER_UNROLL_2 _Pragma("GCC unroll 2")
#define ESPALIER_UNROLL_4 _Pragma("GCC unroll 4")
#endif

namespace espalier::ESPALIER_ISA {

#if defined(__AVX512F__)
using Arch = xsimd::avx512bw;
#elif defined(__AVX2__)
using Arch = xsimd::fma3<xsimd::avx2>;
#elif defined(__ARM_NEON)
using Arch = xsimd::neon64;
#endif

using f32 = xsimd::batch<float, Arch>;    // one hardware register of floats
using i32 = xsimd::batch<int32_t, Arch>;  // and of integers
constexpr int hardware_lanes = static_cast<int>(f32::size);
constexpr int logical_lanes = 16;
constexpr int registers = logical_lanes / hardware_lanes;

// ---- one hardware register -------------------------------------------------------------------

// The same bits as another type. (xsimd 8.1's bitwise_cast costs g++ eight seconds a unit on Arm.)
template <class To, class From>
ESPALIER_INLINE To bits_as(From v) {
  return __builtin_bit_cast(typename To::register_type, v.data);
}

// a * b + c with one rounding.
ESPALIER_INLINE f32 fma(f32 a, f32 b, f32 c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return vfmaq_f32(c, a, b);
#endif
}

// a / b, correctly rounded: xsimd's quotient is an estimate on Arm, and so is its square root.
ESPALIER_INLINE f32 div(f32 a, f32 b) {
#if defined(__ARM_NEON)
  return vdivq_f32(a, b);
#else
  return a / b;
#endif
}
ESPALIER_INLINE f32 sqrt(f32 a) {
#if defined(__ARM_NEON)
  return vsqrtq_f32(a);
#else
  return xsimd::sqrt(a);
#endif
}

// a > b ? a : b, so the second operand wins where either is NaN: what x86's instruction does.
ESPALIER_INLINE f32 max(f32 a, f32 b) {
#if defined(__x86_64__)
  return xsimd::max(a, b);
#else
  return xsimd::select(a > b, a, b);
#endif
}
// a < b ? a : b, so the second operand wins where either is NaN: what x86's instruction does.
ESPALIER_INLINE f32 min(f32 a, f32 b) {
#if defined(__x86_64__)
  return xsimd::min(a, b);
#else
  return xsimd::select(a < b, a, b);
#endif
}

// The first `n` floats at p (0 <= n <= hardware_lanes); lanes past them hold `fill` and their
// memory is not touched. A full register takes the plain instruction: the masked one costs many
// times as much on some processors (a masked store is microcoded on Zen).
ESPALIER_INLINE f32 load_part(const float* p, int n, float fill = 0.0f) {
  if (n == hardware_lanes) return f32::load_unaligned(p);
#if defined(__AVX512F__)
  const __mmask16 keep = static_cast<__mmask16>((1u << n) - 1u);
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), keep, p);
#elif defined(__AVX2__)
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i keep = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
  return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, keep),
                          _mm256_castsi256_ps(keep));
#else
  float lanes[hardware_lanes] = {fill, fill, fill, fill};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return f32::load_unaligned(lanes);
#endif
}

// Stores the first `n` lanes (0 <= n <= hardware_lanes) and touches no memory past them.
ESPALIER_INLINE void store_part(float* p, f32 v, int n) {
  if (n == hardware_lanes) return v.store_unaligned(p);
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1u), v);
#elif defined(__AVX2__)
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane), v);
#else
  float lanes[hardware_lanes];
  v.store_unaligned(lanes);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

// Four columns of `hardware_lanes` rows: lane l of column[c] is row[l][first + c].
ESPALIER_INLINE void load_columns(const float* const* row, int64_t first, f32 column[4]) {
#if defined(__AVX512F__)
  __m512 r[4];
  ESPALIER_UNROLL
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_castps128_ps512(_mm_loadu_ps(row[i] + first));
    r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[i + 4] + first), 1);
    r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[i + 8] + first), 2);
    r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[i + 12] + first), 3);
  }
  const __m512 t0 = _mm512_unpacklo_ps(r[0], r[1]), t1 = _mm512_unpackhi_ps(r[0], r[1]);
  const __m512 t2 = _mm512_unpacklo_ps(r[2], r[3]), t3 = _mm512_unpackhi_ps(r[2], r[3]);
  column[0] = _mm512_shuffle_ps(t0, t2, 0x44);
  column[1] = _mm512_shuffle_ps(t0, t2, 0xee);
  column[2] = _mm512_shuffle_ps(t1, t3, 0x44);
  column[3] = _mm512_shuffle_ps(t1, t3, 0xee);
#elif defined(__AVX2__)
  __m256 r[4];
  ESPALIER_UNROLL
  for (int i = 0; i < 4; ++i)
    r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row[i] + first)),
                                _mm_loadu_ps(row[i + 4] + first), 1);
  const __m256 t0 = _mm256_unpacklo_ps(r[0], r[1]), t1 = _mm256_unpackhi_ps(r[0], r[1]);
  const __m256 t2 = _mm256_unpacklo_ps(r[2], r[3]), t3 = _mm256_unpackhi_ps(r[2], r[3]);
  column[0] = _mm256_shuffle_ps(t0, t2, 0x44);
  column[1] = _mm256_shuffle_ps(t0, t2, 0xee);
  column[2] = _mm256_shuffle_ps(t1, t3, 0x44);
  column[3] = _mm256_shuffle_ps(t1, t3, 0xee);
#else
  float32x4_t r[4];
  ESPALIER_UNROLL
  for (int i = 0; i < 4; ++i) r[i] = vld1q_f32(row[i] + first);
  const float64x2_t t0 = vreinterpretq_f64_f32(vzip1q_f32(r[0], r[1]));
  const float64x2_t t1 = vreinterpretq_f64_f32(vzip2q_f32(r[0], r[1]));
  const float64x2_t t2 = vreinterpretq_f64_f32(vzip1q_f32(r[2], r[3]));
  const float64x2_t t3 = vreinterpretq_f64_f32(vzip2q_f32(r[2], r[3]));
  column[0] = vreinterpretq_f32_f64(vzip1q_f64(t0, t2));
  column[1] = vreinterpretq_f32_f64(vzip2q_f64(t0, t2));
  column[2] = vreinterpretq_f32_f64(vzip1q_f64(t1, t3));
  column[3] = vreinterpretq_f32_f64(vzip2q_f64(t1, t3));
#endif
}

// ---- sixteen logical lanes -------------------------------------------------------------------

struct f32x16 {
  f32 part[registers];
};

struct mask16 {
  xsimd::batch_bool<float, Arch> part[registers];
};

// Applies `f` to each register of its arguments.
template <class F, class... V>
ESPALIER_INLINE f32x16 each(F f, const V&... v) {
  f32x16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = f(v.part[i]...);
  return out;
}

ESPALIER_INLINE f32x16 broadcast(float value) {
  f32x16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = f32(value);
  return out;
}

ESPALIER_INLINE f32x16 load(const float* p) {
  f32x16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = f32::load_unaligned(p + i * hardware_lanes);
  return out;
}

// How many of the first `n` logical lanes register `i` holds.
ESPALIER_INLINE int lanes_in(int i, int n) {
  const int left = n - i * hardware_lanes;
  return left < 0 ? 0 : left > hardware_lanes ? hardware_lanes : left;
}

// The first `n` floats at p (0 <= n <= 16); the other lanes hold `fill` and are not read.
ESPALIER_INLINE f32x16 load(const float* p, int n, float fill = 0.0f) {
  f32x16 out;
  for (int i = 0; i < registers; ++i) {
    const int count = lanes_in(i, n);
    out.part[i] = count ? load_part(p + i * hardware_lanes, count, fill) : f32(fill);
  }
  return out;
}

ESPALIER_INLINE void store(float* p, const f32x16& v) {
  for (int i = 0; i < registers; ++i) v.part[i].store_unaligned(p + i * hardware_lanes);
}

// Stores the first `n` lanes (0 <= n <= 16) and touches no memory past them.
ESPALIER_INLINE void store(float* p, const f32x16& v, int n) {
  for (int i = 0; i < registers; ++i)
    if (const int count = lanes_in(i, n)) store_part(p + i * hardware_lanes, v.part[i], count);
}

ESPALIER_INLINE f32x16 operator+(const f32x16& a, const f32x16& b) {
  return each([](f32 x, f32 y) { return x + y; }, a, b);
}
ESPALIER_INLINE f32x16 operator-(const f32x16& a, const f32x16& b) {
  return each([](f32 x, f32 y) { return x - y; }, a, b);
}
ESPALIER_INLINE f32x16 operator*(const f32x16& a, const f32x16& b) {
  return each([](f32 x, f32 y) { return x * y; }, a, b);
}
ESPALIER_INLINE f32x16 operator/(const f32x16& a, const f32x16& b) {
  return each([](f32 x, f32 y) { return div(x, y); }, a, b);
}
// Flips the sign bit, of zeros and NaNs too. Written on the register itself, so that a compiler can
// fold the flip into a fused multiply-add.
ESPALIER_INLINE f32x16 operator-(const f32x16& a) {
  return each([](f32 x) { return f32(-x.data); }, a);
}
ESPALIER_INLINE f32x16 fma(const f32x16& a, const f32x16& b, const f32x16& c) {
  return each([](f32 x, f32 y, f32 z) { return fma(x, y, z); }, a, b, c);
}
ESPALIER_INLINE f32x16 sqrt(const f32x16& a) {
  return each([](f32 x) { return sqrt(x); }, a);
}
// All bits but the sign. (xsimd 8.1's bitwise_andnot negates another operand on x86 than on Arm.)
ESPALIER_INLINE f32 magnitude_bits() { return bits_as<f32>(i32(0x7fffffff)); }
ESPALIER_INLINE f32x16 abs(const f32x16& a) {
  return each([](f32 x) { return x & magnitude_bits(); }, a);
}
// |magnitude| with the sign bit of `sign`.
ESPALIER_INLINE f32x16 copysign(const f32x16& magnitude, const f32x16& sign) {
  const auto one = [](f32 m, f32 s) { return (m & magnitude_bits()) | (s & f32(-0.0f)); };
  return each(one, magnitude, sign);
}

ESPALIER_INLINE mask16 operator<(const f32x16& a, const f32x16& b) {
  mask16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = a.part[i] < b.part[i];
  return out;
}
ESPALIER_INLINE mask16 operator>(const f32x16& a, const f32x16& b) { return b < a; }
ESPALIER_INLINE mask16 operator==(const f32x16& a, const f32x16& b) {
  mask16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = a.part[i] == b.part[i];
  return out;
}
ESPALIER_INLINE mask16 operator|(const mask16& a, const mask16& b) {
  mask16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = a.part[i] | b.part[i];
  return out;
}
ESPALIER_INLINE mask16 is_nan(const f32x16& a) {
  mask16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = xsimd::isnan(a.part[i]);
  return out;
}
// Lanes of `a` where the mask is set, else of `b`.
ESPALIER_INLINE f32x16 select(const mask16& m, const f32x16& a, const f32x16& b) {
  f32x16 out;
  for (int i = 0; i < registers; ++i) out.part[i] = xsimd::select(m.part[i], a.part[i], b.part[i]);
  return out;
}

// Sixteen bytes as floats.
ESPALIER_INLINE f32x16 load_u8(const uint8_t* p) {
  f32x16 out;
#if defined(__AVX512F__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  out.part[0] = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; ++i) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + i * 8));
    out.part[i] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
  }
#else
  const uint8x16_t bytes = vld1q_u8(p);
  const uint16x8_t half[2] = {vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes))};
  for (int i = 0; i < 2; ++i) {
    out.part[2 * i] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(half[i])));
    out.part[2 * i + 1] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(half[i])));
  }
#endif
  return out;
}

// The first `n` bytes at p (0 <= n <= 16); the other lanes are 0 and are not read.
ESPALIER_INLINE f32x16 load_u8(const uint8_t* p, int n) {
  if (n == logical_lanes) return load_u8(p);
  uint8_t bytes[logical_lanes] = {};
  for (int i = 0; i < n % logical_lanes; ++i) bytes[i] = p[i];  // n < 16, so that compilers see it
  return load_u8(bytes);
}

// Stores sixteen integer-valued lanes in [0, 255] as bytes.
ESPALIER_INLINE void store_u8(uint8_t* p, const f32x16& v) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(v.part[0])));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; ++i) {
    const __m256i wide = _mm256_cvtps_epi32(v.part[i]);
    const __m128i half =
        _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p + i * 8), _mm_packus_epi16(half, half));
  }
#else
  uint16x4_t quarter[4];
  for (int i = 0; i < 4; ++i) quarter[i] = vmovn_u32(vcvtq_u32_f32(v.part[i]));
  const uint8x8_t low = vmovn_u16(vcombine_u16(quarter[0], quarter[1]));
  const uint8x8_t high = vmovn_u16(vcombine_u16(quarter[2], quarter[3]));
  vst1q_u8(p, vcombine_u8(low, high));
#endif
}

// Stores the first `n` of them (0 <= n <= 16) and touches no memory past them.
ESPALIER_INLINE void store_u8(uint8_t* p, const f32x16& v, int n) {
  if (n == logical_lanes) return store_u8(p, v);
  uint8_t bytes[logical_lanes];
  store_u8(bytes, v);
  for (int i = 0; i < n; ++i) p[i] = bytes[i];
}

// Calls f(offset, count) for each block of up to sixteen of `width` elements; only the last is
// short.
template <class F>
ESPALIER_INLINE void blocks(int64_t width, F f) {
  int64_t i = 0;
  for (; i + logical_lanes <= width; i += logical_lanes) f(i, logical_lanes);
  if (i < width) f(i, static_cast<int>(width - i));
}

// a > b ? a : b, so the second operand wins where either is NaN.
ESPALIER_INLINE f32x16 max(const f32x16& a, const f32x16& b) {
  return each([](f32 x, f32 y) { return max(x, y); }, a, b);
}
// a < b ? a : b, so the second operand wins where either is NaN.
ESPALIER_INLINE f32x16 min(const f32x16& a, const f32x16& b) {
  return each([](f32 x, f32 y) { return min(x, y); }, a, b);
}
// a > b ? a : b, and NaN where either is NaN.
ESPALIER_INLINE f32x16 maximum(const f32x16& a, const f32x16& b) {
  return select(is_nan(a), a, max(a, b));
}
// a < b ? a : b, and NaN where either is NaN.
ESPALIER_INLINE f32x16 minimum(const f32x16& a, const f32x16& b) {
  return select(is_nan(a), a, min(a, b));
}

// Lane i of the result is lane i ^ distance, for a distance below hardware_lanes.
template <int distance>
ESPALIER_INLINE f32 exchange(f32 v) {
#if defined(__AVX512F__)
  if constexpr (distance == 8) return _mm512_shuffle_f32x4(v, v, 0x4e);
  if constexpr (distance == 4) return _mm512_shuffle_f32x4(v, v, 0xb1);
  if constexpr (distance == 2) return _mm512_permute_ps(v, 0x4e);
  if constexpr (distance == 1) return _mm512_permute_ps(v, 0xb1);
#elif defined(__AVX2__)
  if constexpr (distance == 4) return _mm256_permute2f128_ps(v, v, 0x01);
  if constexpr (distance == 2) return _mm256_permute_ps(v, 0x4e);
  if constexpr (distance == 1) return _mm256_permute_ps(v, 0xb1);
#else
  if constexpr (distance == 2) return vextq_f32(v, v, 2);
  if constexpr (distance == 1) return vrev64q_f32(v);
#endif
}

ESPALIER_INLINE float first_lane(f32 v) {
#if defined(__AVX512F__)
  return _mm512_cvtss_f32(v);
#elif defined(__AVX2__)
  return _mm256_cvtss_f32(v);
#else
  return vgetq_lane_f32(v, 0);
#endif
}
ESPALIER_INLINE float first_lane(const f32x16& a) { return first_lane(a.part[0]); }

// Folds the lanes with `combine`, a function of two registers. One fixed tree whatever the width:
// lane i meets i + 8, then i + 4, i + 2, i + 1.
template <class Combine>
ESPALIER_INLINE float reduce(f32x16 a, Combine combine) {
  for (int half = registers / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a.part[i] = combine(a.part[i], a.part[i + half]);
  f32 v = a.part[0];
  if constexpr (hardware_lanes > 8) v = combine(v, exchange<8>(v));
  if constexpr (hardware_lanes > 4) v = combine(v, exchange<4>(v));
  v = combine(v, exchange<2>(v));
  return first_lane(combine(v, exchange<1>(v)));
}
ESPALIER_INLINE float reduce_add(const f32x16& a) {
  return reduce(a, [](f32 x, f32 y) { return x + y; });
}
// The largest lane, or NaN when any lane is NaN. (xsimd 8.1's x != x is false on x86.)
ESPALIER_INLINE float reduce_max(const f32x16& a) {
  return reduce(a, [](f32 x, f32 y) { return xsimd::select((x > y) | xsimd::isnan(x), x, y); });
}
// The smallest lane, or NaN when any lane is NaN.
ESPALIER_INLINE float reduce_min(const f32x16& a) {
  return reduce(a, [](f32 x, f32 y) { return xsimd::select((x < y) | xsimd::isnan(x), x, y); });
}

}  // namespace espalier::ESPALIER_ISA
