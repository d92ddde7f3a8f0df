// Scaled dot-product attention of one head on 8-bit codes (Vaswani et al., 2017, equation 1), with
// a softmax in integers.
//
//   S[i, j] = sum_d q[i, d] k[j, d]                                     exact, in 32 bits
//   t = round(min(float(max_j S[i, j] - S[i, j]) * score_scale, 4095))  256ths of a power of two
//   p[i, j] = attention_s8_weight(t), 0 to 255
//   out[i, d] = limit(round(float(sum_j p[i, j] v[j, d]) * (multiplier / float(sum_j p[i, j])))
//                     + zero_point, -128, 127)
//
// Weights are relative to the row's largest, which is 255, so all eight bits serve however flat the
// row is, and the division by their own sum makes up for what rounding them did to it.
//
//   score_scale = scale of q * scale of k * attention's own scale * log2(e) * 256
//   multiplier  = scale of v / scale of out
//
// float() and round() go to nearest even; each operation on floats is one IEEE operation. Every row
// of the table gives the same integers.
//
// Contract: q, k, v are T x D codes without zero point, rows `row_stride` apart; out is T x D, rows
// `out_stride` apart. 1 <= T <= 65,793 and 1 <= D <= 65,535, so that no sum and no difference of
// scores leaves 32 bits. score_scale and multiplier are finite and not negative. out overlaps
// nothing. scratch starts at a multiple of 4 bytes, best of 64; no other alignment is assumed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"

namespace espalier {

struct AttentionS8 {
  int64_t tokens, head_dim;
  int64_t row_stride, out_stride;
  float score_scale, multiplier;
  int zero_point;
  int64_t queries = tokens;  // leading rows of out that are computed, at least 1
};

// a b / 2^15 to nearest: how 16-bit fractions multiply, in one instruction on most machines.
constexpr int32_t attention_s8_product(int32_t a, int32_t b) noexcept {
  return (a * b + (1 << 14)) >> 15;
}

// 2^(-x) is 1 - x (a - b x) within 0.27 %, and 1 and 1/2 at the ends; here in 2^15ths.
constexpr int16_t attention_s8_one = 32'767, attention_s8_a = 21'951, attention_s8_b = 5'567;
constexpr float attention_s8_last = 4095.0f;

// The weight of a score that lies t / 256 powers of two below the row's largest, 0 <= t <= 4095. No
// step leaves 16 bits, so two weights are made in the place of one score.
constexpr int32_t attention_s8_weight(int32_t t) noexcept {
  const int32_t x = (t & 255) << 7;
  const int32_t slope = attention_s8_a - attention_s8_product(attention_s8_b, x);
  const int32_t power = attention_s8_one - attention_s8_product(x, slope);
  return attention_s8_product(power >> (t >> 8), 255);
}

using AttentionS8Run = void(const AttentionS8& shape, const int8_t* q, const int8_t* k,
                            const int8_t* v, int8_t* out, std::byte* scratch) noexcept;

// Bytes of scratch that any row of the table may write. What they hold before does not matter.
int64_t attention_s8_scratch(int64_t tokens, int64_t head_dim) noexcept;

// Rows of the table, best first.
std::span<const KernelRow<AttentionS8Run>> attention_s8_kernels() noexcept;

ESPALIER_DECLARE_DOT_ISAS(AttentionS8Run attention_s8;)

namespace cuda {
// Longer heads do not fit a block.
int64_t attention_s8_most_tokens() noexcept;
// All heads of a batch: q, k, v and out are those of its first.
void attention_s8_heads(const AttentionHeads& heads, const AttentionS8& shape, const int8_t* q,
                        const int8_t* k, const int8_t* v, int8_t* out) noexcept;
}  // namespace cuda
// One head by them; scratch is not used.
ESPALIER_DECLARE_CUDA(AttentionS8Run attention_s8;)

}  // namespace espalier
