// Scores become weights in 16-bit lanes, two in the place of one score, and bytes where the left
// operand of a product is one. Nothing crosses a lane on the way: register i of a block's scores
// ends as element i of the words of one register. So a block's weights lie in another order than
// its keys, that of weight_key(), in which the values are packed too.
#pragma once

#include "kernels/attention_s8/attention_s8.h"
#include "kernels/simd_s8.h"

namespace espalier::ESPALIER_ISA {

constexpr int word_weights = static_cast<int>(sizeof(int32_t) / sizeof(a_type));
constexpr int block_keys = s32_lanes * word_weights;  // that one register of weights holds

// The key whose weight lies at `place`.
constexpr ESPALIER_INLINE int64_t weight_key(int64_t place) {
  const int64_t in_block = place % block_keys;
  return place - in_block + in_block % word_weights * s32_lanes + in_block / word_weights;
}

// How many places, from the first, hold the weights of all of `tokens` keys.
constexpr ESPALIER_INLINE int64_t weight_places(int64_t tokens) {
  const int64_t in_block = tokens % block_keys;
  const int64_t words = in_block < s32_lanes ? in_block : s32_lanes;
  return tokens - in_block + words * word_weights;
}

// ---- 16-bit lanes -----------------------------------------------------------------------------

#if defined(__x86_64__)

using s16 = s32;
#if defined(__AVX512F__) && !defined(ESPALIER_NARROW_VNNI)
ESPALIER_INLINE s16 set1_s16(int16_t x) { return _mm512_set1_epi16(x); }
ESPALIER_INLINE s16 sub_s16(s16 a, s16 b) { return _mm512_sub_epi16(a, b); }
ESPALIER_INLINE s16 product_s16(s16 a, s16 b) { return _mm512_mulhrs_epi16(a, b); }
ESPALIER_INLINE s16 low_byte_in_2_15ths(s16 t) {
  return _mm512_srli_epi16(_mm512_slli_epi16(t, 8), 1);
}
ESPALIER_INLINE s16 shift_by_high_byte(s16 x, s16 t) {
  return _mm512_srlv_epi16(x, _mm512_srli_epi16(t, 8));
}
ESPALIER_INLINE s16 pair(s32 first, s32 second) {
  return _mm512_or_si512(first, _mm512_slli_epi32(second, 16));
}
ESPALIER_INLINE s16 pair_bytes(s16 first, s16 second) {
  return _mm512_or_si512(first, _mm512_slli_epi16(second, 8));
}
#else
ESPALIER_INLINE s16 set1_s16(int16_t x) { return _mm256_set1_epi16(x); }
ESPALIER_INLINE s16 sub_s16(s16 a, s16 b) { return _mm256_sub_epi16(a, b); }
ESPALIER_INLINE s16 product_s16(s16 a, s16 b) { return _mm256_mulhrs_epi16(a, b); }
ESPALIER_INLINE s16 low_byte_in_2_15ths(s16 t) {
  return _mm256_srli_epi16(_mm256_slli_epi16(t, 8), 1);
}
ESPALIER_INLINE s16 shift_by_high_byte(s16 x, s16 t) {
#if defined(__AVX512BW__)
  return _mm256_srlv_epi16(x, _mm256_srli_epi16(t, 8));
#else
  // 2^(15 - n) for n = 0 to 15, its low and its high byte. An index with its top bit set gives 0.
  const __m256i low = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, -128, 64, 32, 16, 8, 4, 2, 1));
  const __m256i high = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(-128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  const __m256i n_below = _mm256_or_si256(_mm256_srli_epi16(t, 8), _mm256_set1_epi16(-0x8000));
  const __m256i n_above = _mm256_or_si256(t, _mm256_set1_epi16(0x80));
  const __m256i power =
      _mm256_or_si256(_mm256_shuffle_epi8(low, n_below), _mm256_shuffle_epi8(high, n_above));
  return _mm256_mulhi_epu16(_mm256_add_epi16(x, x), power);
#endif
}
ESPALIER_INLINE s16 pair(s32 first, s32 second) {
  return _mm256_or_si256(first, _mm256_slli_epi32(second, 16));
}
ESPALIER_INLINE s16 pair_bytes(s16 first, s16 second) {
  return _mm256_or_si256(first, _mm256_slli_epi16(second, 8));
}
#endif

// A register of weights, which holds zeros where `mask` does: to the left operand at `to`, and
// added to the sums of its words.
ESPALIER_INLINE s32 put_weights(s16 weights, const a_type* mask, a_type* to, s32 sum) {
  s32 keep;
  std::memcpy(&keep, mask, sizeof keep);
  const s32 kept = bit_and(weights, keep);
  std::memcpy(to, &kept, sizeof kept);
  return dot(sum, kept, word_weights == 4 ? set1(0x01010101) : set1(0x00010001));
}

#else  // Arm

using s16 = int16x8_t;
ESPALIER_INLINE s16 set1_s16(int16_t x) { return vdupq_n_s16(x); }
ESPALIER_INLINE s16 sub_s16(s16 a, s16 b) { return vsubq_s16(a, b); }
ESPALIER_INLINE s16 product_s16(s16 a, s16 b) { return vqrdmulhq_s16(a, b); }
ESPALIER_INLINE s16 low_byte_in_2_15ths(s16 t) {
  return vshlq_n_s16(vandq_s16(t, vdupq_n_s16(255)), 7);
}
ESPALIER_INLINE s16 shift_by_high_byte(s16 x, s16 t) {
  return vshlq_s16(x, vnegq_s16(vshrq_n_s16(t, 8)));
}
ESPALIER_INLINE s16 pair(s32 first, s32 second) {
  return vreinterpretq_s16_s32(vorrq_s32(first, vshlq_n_s32(second, 16)));
}
ESPALIER_INLINE s16 pair_bytes(s16 first, s16 second) {
  return vorrq_s16(first, vshlq_n_s16(second, 8));
}
ESPALIER_INLINE s32 put_weights(s16 weights, const a_type* mask, a_type* to, s32 sum) {
#if defined(__ARM_FEATURE_DOTPROD)
  const uint8x16_t kept =
      vandq_u8(vreinterpretq_u8_s16(weights), vreinterpretq_u8_s8(vld1q_s8(mask)));
  vst1q_s8(to, vreinterpretq_s8_u8(veorq_u8(kept, vdupq_n_u8(0x80))));
  return vreinterpretq_s32_u32(vdotq_u32(vreinterpretq_u32_s32(sum), kept, vdupq_n_u8(1)));
#else
  const s16 kept = vandq_s16(weights, vld1q_s16(mask));
  vst1q_s16(to, kept);
  return vpadalq_s16(sum, kept);
#endif
}

#endif

// ---- weights ----------------------------------------------------------------------------------

// attention_s8_weight() of 16-bit lanes.
ESPALIER_INLINE s16 weights_of(s16 t) {
  const s16 x = low_byte_in_2_15ths(t);
  const s16 slope = sub_s16(set1_s16(attention_s8_a), product_s16(set1_s16(attention_s8_b), x));
  const s16 power = sub_s16(set1_s16(attention_s8_one), product_s16(x, slope));
  return product_s16(shift_by_high_byte(power, t), set1_s16(255));
}

constexpr int most_rows = 12;  // of a tile

// One tile of scores and its weights.
struct Scores {
  int64_t end;  // of a row: tokens in whole blocks
  float scale;
  int32_t* scores;  // rows `stride` apart, and so are their weights
  a_type* weights;
  int64_t stride;
  a_type keep[block_keys];  // of the last block: all bits where there is a key

  ESPALIER_INLINE s32 steps(const int32_t* score, s32 largest) const {
    const f32v below = mul(to_float(sub(largest, load(score))), set1(scale));
    return round(min(below, set1(attention_s8_last)));
  }
  ESPALIER_INLINE s16 block_weights(const int32_t* score, s32 largest) const {
    if constexpr (word_weights == 4) {
      const s16 even =
          weights_of(pair(steps(score, largest), steps(score + 2 * s32_lanes, largest)));
      const s16 odd = weights_of(
          pair(steps(score + s32_lanes, largest), steps(score + 3 * s32_lanes, largest)));
      return pair_bytes(even, odd);
    } else {
      return weights_of(pair(steps(score, largest), steps(score + s32_lanes, largest)));
    }
  }
};

// Scores of a tile become weights; sums[r] receives the sum of row r. Scores past the last token
// repeat one of the row's, which changes no maximum. Rows take each step together, so that none
// waits for another's result.
ESPALIER_NOINLINE static void weigh(const Scores& s, int rows, float* sums) {
  static constexpr auto all = static_cast<a_type>(-1);
  a_type keep_all[block_keys];
  for (a_type& bits : keep_all) bits = all;
  int32_t largest[most_rows];
  for (int r = 0; r < rows; ++r) {
    const int32_t* score = s.scores + r * s.stride;
    s32 most = load(score);
    for (int64_t j = s32_lanes; j < s.end; j += s32_lanes) most = max(most, load(score + j));
    largest[r] = largest_lane(most);
  }
  for (int r = 0; r < rows; ++r) {
    const s32 most = set1(largest[r]);
    s32 sum = zero();
    for (int64_t j = 0; j < s.end; j += block_keys) {
      const int64_t at = r * s.stride + j;
      const bool last = j + block_keys == s.end;
      sum = put_weights(s.block_weights(s.scores + at, most), last ? s.keep : keep_all,
                        s.weights + at, sum);
    }
    sums[r] = static_cast<float>(small_sum_of_lanes(sum));
  }
}

}  // namespace espalier::ESPALIER_ISA
