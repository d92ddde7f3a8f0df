// A table of 256 bytes, looked up in registers: values[i] = table[values[i] + 128].
#pragma once

#include "kernels/simd_s8.h"

namespace espalier::ESPALIER_ISA {

#if defined(__AVX512VBMI__)

// Each half of the table is two registers, which one instruction picks bytes from.
struct ByteTable {
  s32 negative[2], positive[2];

  ESPALIER_INLINE explicit ByteTable(const int8_t* table) {
    for (int i = 0; i < 2; ++i) {
      negative[i] = _mm512_loadu_si512(table + 64 * i);
      positive[i] = _mm512_loadu_si512(table + 128 + 64 * i);
    }
  }

  // The low seven bits of a code are its place in its half.
  ESPALIER_INLINE s32 operator()(s32 codes) const {
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes),
                                  _mm512_permutex2var_epi8(positive[0], codes, positive[1]),
                                  _mm512_permutex2var_epi8(negative[0], codes, negative[1]));
  }
};

#elif defined(__x86_64__)

// A register of bytes is as wide as one of sums.
#if defined(__AVX512F__) && !defined(ESPALIER_NARROW_VNNI)
ESPALIER_INLINE s32 set1_byte(char x) { return _mm512_set1_epi8(x); }
ESPALIER_INLINE s32 sub_bytes(s32 a, s32 b) { return _mm512_sub_epi8(a, b); }
ESPALIER_INLINE s32 shuffle(s32 sixteen, s32 index) { return _mm512_shuffle_epi8(sixteen, index); }
ESPALIER_INLINE s32 in_each_quarter(__m128i x) { return _mm512_broadcast_i32x4(x); }
ESPALIER_INLINE s32 where_negative(s32 codes, s32 below, s32 above) {
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), above, below);
}
#else
ESPALIER_INLINE s32 set1_byte(char x) { return _mm256_set1_epi8(x); }
ESPALIER_INLINE s32 sub_bytes(s32 a, s32 b) { return _mm256_sub_epi8(a, b); }
ESPALIER_INLINE s32 shuffle(s32 sixteen, s32 index) { return _mm256_shuffle_epi8(sixteen, index); }
ESPALIER_INLINE s32 in_each_quarter(__m128i x) { return _mm256_broadcastsi128_si256(x); }
ESPALIER_INLINE s32 where_negative(s32 codes, s32 below, s32 above) {
  return _mm256_blendv_epi8(above, below, codes);
}
#endif

struct ByteTable {
  // Each sixteenth of a half, combined with the one before it: what a lookup XORs together.
  s32 negative[8], positive[8];

  ESPALIER_INLINE explicit ByteTable(const int8_t* table) {
    const __m128i* parts = reinterpret_cast<const __m128i*>(table);
    __m128i before[2] = {_mm_setzero_si128(), _mm_setzero_si128()};
    for (int i = 0; i < 8; ++i) {
      const __m128i low = _mm_loadu_si128(parts + i), high = _mm_loadu_si128(parts + 8 + i);
      negative[i] = in_each_quarter(_mm_xor_si128(low, before[0]));
      positive[i] = in_each_quarter(_mm_xor_si128(high, before[1]));
      before[0] = low, before[1] = high;
    }
  }

  // vpshufb takes an index's low four bits and gives zero where its top bit is set, so the index
  // less 16 i picks from the i-th sixteenth once it has got that far, and nothing before.
  ESPALIER_INLINE s32 operator()(s32 codes) const {
    s32 index = bit_and(codes, set1_byte(0x7f));
    s32 below = shuffle(negative[0], index);
    s32 above = shuffle(positive[0], index);
    ESPALIER_UNROLL_REGISTERS
    for (int i = 1; i < 8; ++i) {
      index = sub_bytes(index, set1_byte(16));
      below = bit_xor(below, shuffle(negative[i], index));
      above = bit_xor(above, shuffle(positive[i], index));
    }
    return where_negative(codes, below, above);
  }
};

#endif

#if defined(__x86_64__)

ESPALIER_INLINE s32 load_codes(const int8_t* p) {
  s32 codes;
  std::memcpy(&codes, p, sizeof codes);
  return codes;
}
ESPALIER_INLINE void store_codes(int8_t* p, s32 codes) { std::memcpy(p, &codes, sizeof codes); }
constexpr int codes_at_once = static_cast<int>(sizeof(s32));

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
