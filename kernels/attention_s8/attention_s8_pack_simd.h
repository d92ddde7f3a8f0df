// Keys and values of one head as right operands. Both are packed for every head of every image, so
// four bytes at a time.
#pragma once

#include "kernels/attention_s8/attention_s8_weights_simd.h"
#include "kernels/gemm_s8/gemm_s8_tile_simd.h"

namespace espalier::ESPALIER_ISA {

// ---- keys: lane n of a group holds `group` neighbouring values of key n ------------------------

// Four neighbouring values of each key of a panel, to the groups that begin at `to`.
#if defined(ESPALIER_X86_BYTES)
// VNNI multiplies unsigned by signed bytes. Keys are the unsigned ones, 128 too large: that adds
// the same to all scores of a query, and a softmax doesn't see it.
ESPALIER_INLINE void put_words(const uint32_t* words, b_type* to) {
  for (int i = 0; i < panel; i += s32_lanes) {
    s32 word;
    std::memcpy(&word, words + i, sizeof word);
    word = bit_xor(word, set1(static_cast<int32_t>(0x80808080)));
    std::memcpy(to + i * group, &word, sizeof word);
  }
}
#elif defined(__x86_64__)
// A byte in the upper half of 16 bits, shifted down, keeps its sign.
ESPALIER_INLINE __m256i widened(__m256i words, __m128i bytes) {
  return _mm256_srai_epi16(_mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(bytes)), 8);
}
ESPALIER_INLINE void put_words(const uint32_t* words, b_type* to) {
  const __m128i first = _mm_setr_epi8(-1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13);
  const __m128i second = _mm_setr_epi8(-1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15);
  for (int i = 0; i < panel; i += s32_lanes) {
    s32 word;
    std::memcpy(&word, words + i, sizeof word);
    const s32 low = widened(word, first), high = widened(word, second);
    std::memcpy(to + i * group, &low, sizeof low);
    std::memcpy(to + (panel + i) * group, &high, sizeof high);
  }
}
#elif defined(__ARM_FEATURE_DOTPROD)
ESPALIER_INLINE void put_words(const uint32_t* words, b_type* to) {
  std::memcpy(to, words, panel * sizeof *words);
}
#else
ESPALIER_INLINE void put_words(const uint32_t* words, b_type* to) {
  for (int i = 0; i < panel; i += 8) {
    const int8x8x4_t value = vld4_s8(reinterpret_cast<const int8_t*>(words + i));
    for (int j = 0; j < 4; ++j) vst1q_s16(to + j * panel + i, vmovl_s8(value.val[j]));
  }
}
#endif

// Columns past the last key repeat the first one.
static void pack_keys(const int8_t* k, int64_t row_stride, int64_t tokens, int64_t head_dim,
                      b_type* to) {
  for (int64_t n = 0; n < tokens; n += panel) {
    const int8_t* key[panel];
    for (int i = 0; i < panel; ++i) key[i] = k + (n + i < tokens ? n + i : 0) * row_stride;
    uint32_t words[4][panel];  // some steps at once: a wide load waits for narrow stores
    for (int64_t d = 0; d < head_dim; d += 16) {
      const int64_t left = head_dim - d;
      for (int i = 0; i < panel; ++i)
        if (left >= 16) {
          for (int j = 0; j < 4; ++j) std::memcpy(&words[j][i], key[i] + d + 4 * j, 4);
        } else {
          int8_t last[16] = {};
          for (int64_t j = 0; j < left; ++j) last[j] = key[i][d + j];
          for (int j = 0; j < 4; ++j) std::memcpy(&words[j][i], last + 4 * j, 4);
        }
      for (int j = 0; j < 4 && 4 * j < left; ++j, to += 4 * panel) put_words(words[j], to);
    }
  }
}

// ---- values: lane d of a group holds value d of `group` keys -----------------------------------

constexpr int interleaved_columns = 16;

#if defined(__x86_64__)
ESPALIER_INLINE __m128i load_16(const int8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
#endif

ESPALIER_INLINE void interleave(const int8_t* const (&row)[group], int64_t d, b_type* to) {
#if defined(__x86_64__)
  const __m128i a = load_16(row[0] + d), b = load_16(row[1] + d);
  const __m128i low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
#if defined(ESPALIER_X86_BYTES)
  const __m128i c = load_16(row[2] + d), e = load_16(row[3] + d);
  const __m128i low_2 = _mm_unpacklo_epi8(c, e), high_2 = _mm_unpackhi_epi8(c, e);
  __m128i* at = reinterpret_cast<__m128i*>(to);
  _mm_storeu_si128(at, _mm_unpacklo_epi16(low, low_2));
  _mm_storeu_si128(at + 1, _mm_unpackhi_epi16(low, low_2));
  _mm_storeu_si128(at + 2, _mm_unpacklo_epi16(high, high_2));
  _mm_storeu_si128(at + 3, _mm_unpackhi_epi16(high, high_2));
#else
  __m256i* at = reinterpret_cast<__m256i*>(to);
  _mm256_storeu_si256(at, _mm256_cvtepi8_epi16(low));
  _mm256_storeu_si256(at + 1, _mm256_cvtepi8_epi16(high));
#endif
#elif defined(__ARM_FEATURE_DOTPROD)
  const int8x16x4_t rows = {
      {vld1q_s8(row[0] + d), vld1q_s8(row[1] + d), vld1q_s8(row[2] + d), vld1q_s8(row[3] + d)}};
  vst4q_s8(to, rows);
#else
  const int8x16_t values = vld1q_s8(row[0] + d);
  vst1q_s16(to, vmovl_s8(vget_low_s8(values)));
  vst1q_s16(to + 8, vmovl_s8(vget_high_s8(values)));
#endif
}

// What a left operand that is stored less an offset leaves out: kept where gemm_s8 keeps it.
ESPALIER_INLINE void put_column_sums(std::byte* packed, int64_t places) {
  static constexpr a_type ones[4] = {1, 1, 1, 1};
  s32 sums[tile_registers];
  for (s32& sum : sums) sum = zero();
  const b_type* at = groups_of(packed);
  for (int64_t place = 0; place < places; place += group)
    for (int i = 0; i < tile_registers; ++i, at += b_values)
      sums[i] = dot(sums[i], broadcast_group(ones), load_b(at));
  for (int i = 0; i < tile_registers; ++i)
    store(reinterpret_cast<int32_t*>(packed) + i * s32_lanes, sums[i]);
}

// Rows in the order of the weights. A panel whose columns do not all exist takes them by way of
// rows that are whole.
static void pack_values(const int8_t* v, int64_t row_stride, int64_t tokens, int64_t head_dim,
                        std::byte* packed) {
  static constexpr int8_t none[panel] = {};
  const int64_t places = weight_places(tokens);
  for (int64_t d = 0; d < head_dim; d += panel, packed += panel_bytes(places)) {
    b_type* to = reinterpret_cast<b_type*>(packed + panel * sizeof(int32_t));
    const int64_t columns = head_dim - d;
    int8_t whole[group][panel] = {};
    for (int64_t place = 0; place < places; place += group, to += panel * group) {
      const int8_t* row[group];
      for (int j = 0; j < group; ++j) {
        const int64_t key = weight_key(place + j);
        row[j] = key < tokens ? v + key * row_stride + d : none;
        if (columns >= panel || key >= tokens) continue;
        for (int64_t i = 0; i < columns; ++i) whole[j][i] = row[j][i];
        row[j] = whole[j];
      }
      for (int i = 0; i < panel; i += interleaved_columns) interleave(row, i, to + i * group);
    }
    if constexpr (a_offset<uint8_t> != 0) put_column_sums(packed, places);
  }
}

}  // namespace espalier::ESPALIER_ISA
