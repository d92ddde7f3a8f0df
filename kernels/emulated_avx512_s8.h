// What 8-bit arithmetic needs of AVX-512 besides: products of bytes and of 16-bit values, and what
// comes of them. kernels/emulated_avx512.h includes this before it ends.
#pragma once

namespace emulated_avx512 {

// Four products of an unsigned by a signed byte are added to each sum.
EMULATED __m256i dpbusd_256(__m256i sum, __m256i a, __m256i b) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(0xff)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
EMULATE_3(dpbusd, dpbusd_256, __m512i, __m256i)
EMULATE_2(sub_epi16, _mm256_sub_epi16, __m512i, __m256i)
EMULATE_2(sub_epi8, _mm256_sub_epi8, __m512i, __m256i)
EMULATE_2(shuffle_epi8, _mm256_shuffle_epi8, __m512i, __m256i)
EMULATE_2(adds_epi16, _mm256_adds_epi16, __m512i, __m256i)
EMULATE_2(madd_epi16, _mm256_madd_epi16, __m512i, __m256i)
EMULATE_2(packs_epi32, _mm256_packs_epi32, __m512i, __m256i)
EMULATE_2(packs_epi16, _mm256_packs_epi16, __m512i, __m256i)
EMULATE_2(mulhrs_epi16, _mm256_mulhrs_epi16, __m512i, __m256i)
EMULATE_SHIFT(slli_epi16, _mm256_slli_epi16)
EMULATE_SHIFT(srli_epi16, _mm256_srli_epi16)
EMULATED __m512i set1_epi16(short a) {
  return join<__m512i>(_mm256_set1_epi16(a), _mm256_set1_epi16(a));
}
EMULATED __m256i srlv_epi16_256(__m256i a, __m256i bits) {
  uint16_t lane[16], by[16];
  std::memcpy(lane, &a, sizeof(a));
  std::memcpy(by, &bits, sizeof(bits));
  for (int i = 0; i < 16; ++i) lane[i] = static_cast<uint16_t>(by[i] < 16 ? lane[i] >> by[i] : 0);
  std::memcpy(&a, lane, sizeof(a));
  return a;
}
EMULATE_2(srlv_epi16, srlv_epi16_256, __m512i, __m256i)
EMULATED __m512i cvtepi8_epi32(__m128i a) {
  return join<__m512i>(_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(_mm_srli_si128(a, 8)));
}
EMULATED __m512i cvtepi16_epi32(__m256i a) {
  return join<__m512i>(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a)),
                       _mm256_cvtepi16_epi32(_mm256_extracti128_si256(a, 1)));
}
EMULATED __m256i cvtsepi32_epi16(__m512i a) {
  const auto x = split<__m256i>(a);
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(x.low, x.high), 0xd8);
}
EMULATED __m512i set1_epi8(char a) {
  return join<__m512i>(_mm256_set1_epi8(a), _mm256_set1_epi8(a));
}
EMULATED __m512i broadcast_i32x4(__m128i a) {
  return join<__m512i>(_mm256_broadcastsi128_si256(a), _mm256_broadcastsi128_si256(a));
}
EMULATED __mmask64 movepi8_mask(__m512i a) {
  const auto x = split<__m256i>(a);
  const auto low = static_cast<uint32_t>(_mm256_movemask_epi8(x.low));
  return static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(x.high))) << 32 | low;
}
EMULATED __m512i mask_blend_epi8(__mmask64 mask, __m512i a, __m512i b) {
  uint8_t from[64], to[64];
  std::memcpy(to, &a, sizeof(a));
  std::memcpy(from, &b, sizeof(b));
  for (int i = 0; i < 64; ++i)
    if (mask >> i & 1) to[i] = from[i];
  std::memcpy(&a, to, sizeof(a));
  return a;
}
// Whole elements of `a`, in the order of `index`.
template <class T>
EMULATED __m512i permuted(__m512i index, __m512i a) {
  constexpr int count = static_cast<int>(sizeof(__m512i) / sizeof(T));
  T from[count], to[count], at[count];
  std::memcpy(from, &a, sizeof(a));
  std::memcpy(at, &index, sizeof(index));
  for (int i = 0; i < count; ++i) to[i] = from[at[i] % count];
  std::memcpy(&a, to, sizeof(a));
  return a;
}

}  // namespace emulated_avx512

#define _mm512_sub_epi16 emulated_avx512::sub_epi16
#define _mm512_mulhrs_epi16 emulated_avx512::mulhrs_epi16
#define _mm512_slli_epi16 emulated_avx512::slli_epi16
#define _mm512_srli_epi16 emulated_avx512::srli_epi16
#define _mm512_set1_epi16 emulated_avx512::set1_epi16
#define _mm512_srlv_epi16 emulated_avx512::srlv_epi16
#define _mm256_srlv_epi16 emulated_avx512::srlv_epi16_256
#define _mm512_cvtepi8_epi32 emulated_avx512::cvtepi8_epi32
#define _mm512_cvtepi16_epi32 emulated_avx512::cvtepi16_epi32
#define _mm512_cvtsepi32_epi16 emulated_avx512::cvtsepi32_epi16
#define _mm512_adds_epi16 emulated_avx512::adds_epi16
#define _mm512_madd_epi16 emulated_avx512::madd_epi16
#define _mm512_packs_epi32 emulated_avx512::packs_epi32
#define _mm512_packs_epi16 emulated_avx512::packs_epi16
#define _mm512_permutexvar_epi32 emulated_avx512::permuted<uint32_t>
#define _mm512_permutexvar_epi64 emulated_avx512::permuted<uint64_t>
#define _mm512_sub_epi8 emulated_avx512::sub_epi8
#define _mm512_shuffle_epi8 emulated_avx512::shuffle_epi8
#define _mm512_set1_epi8 emulated_avx512::set1_epi8
#define _mm512_broadcast_i32x4 emulated_avx512::broadcast_i32x4
#define _mm512_movepi8_mask emulated_avx512::movepi8_mask
#define _mm512_mask_blend_epi8 emulated_avx512::mask_blend_epi8
