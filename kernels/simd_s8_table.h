// A table of 256 bytes, looked up in registers: values[i] = table[values[i] + 128].
#pragma once

#include "kernels/simd_s8.h"

namespace espalier::ESPALIER_ISA {

#if defined(__x86_64__)

struct ByteTable {
  // Each sixteenth of a half, combined with the one before it: what a lookup XORs together.
  __m256i negative[8], positive[8];

  ESPALIER_INLINE explicit ByteTable(const int8_t* table) {
    const __m128i* parts = reinterpret_cast<const __m128i*>(table);
    __m128i before[2] = {_mm_setzero_si128(), _mm_setzero_si128()};
    for (int i = 0; i < 8; ++i) {
      const __m128i low = _mm_loadu_si128(parts + i), high = _mm_loadu_si128(parts + 8 + i);
      negative[i] = _mm256_broadcastsi128_si256(_mm_xor_si128(low, before[0]));
      positive[i] = _mm256_broadcastsi128_si256(_mm_xor_si128(high, before[1]));
      before[0] = low, before[1] = high;
    }
  }

  // vpshufb takes an index's low four bits and gives zero where its top bit is set, so the index
  // less 16 i picks from the i-th sixteenth once it has got that far, and nothing before.
  ESPALIER_INLINE __m256i operator()(__m256i codes) const {
    __m256i index = _mm256_and_si256(codes, _mm256_set1_epi8(0x7f));
    __m256i below = _mm256_shuffle_epi8(negative[0], index);
    __m256i above = _mm256_shuffle_epi8(positive[0], index);
    ESPALIER_UNROLL_REGISTERS
    for (int i = 1; i < 8; ++i) {
      index = _mm256_sub_epi8(index, _mm256_set1_epi8(16));
      below = _mm256_xor_si256(below, _mm256_shuffle_epi8(negative[i], index));
      above = _mm256_xor_si256(above, _mm256_shuffle_epi8(positive[i], index));
    }
    return _mm256_blendv_epi8(above, below, codes);
  }
};

ESPALIER_INLINE __m256i load_codes(const int8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
ESPALIER_INLINE void store_codes(int8_t* p, __m256i codes) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), codes);
}
constexpr int codes_at_once = 32;

#else

struct ByteTable {
  uint8x16x4_t quarter[4];

  ESPALIER_INLINE explicit ByteTable(const int8_t* table) {
    for (int i = 0; i < 4; ++i)
      quarter[i] = vld1q_u8_x4(reinterpret_cast<const uint8_t*>(table) + 64 * i);
  }
  ESPALIER_INLINE uint8x16_t operator()(uint8x16_t codes) const {
    uint8x16_t index = veorq_u8(codes, vdupq_n_u8(0x80));
    uint8x16_t out = vqtbl4q_u8(quarter[0], index);
    for (int i = 1; i < 4; ++i) {
      index = vsubq_u8(index, vdupq_n_u8(64));
      out = vqtbx4q_u8(out, quarter[i], index);
    }
    return out;
  }
};

ESPALIER_INLINE uint8x16_t load_codes(const int8_t* p) {
  return vld1q_u8(reinterpret_cast<const uint8_t*>(p));
}
ESPALIER_INLINE void store_codes(int8_t* p, uint8x16_t codes) {
  vst1q_u8(reinterpret_cast<uint8_t*>(p), codes);
}
constexpr int codes_at_once = 16;

#endif

ESPALIER_INLINE void look_up(const ByteTable& table, int8_t* values, int64_t count) {
  int64_t i = 0;
  for (; i + codes_at_once <= count; i += codes_at_once)
    store_codes(values + i, table(load_codes(values + i)));
  if (i == count) return;
  int8_t last[codes_at_once] = {};
  for (int64_t j = i; j < count; ++j) last[j - i] = values[j];
  store_codes(last, table(load_codes(last)));
  for (int64_t j = i; j < count; ++j) values[j] = last[j - i];
}

}  // namespace espalier::ESPALIER_ISA
