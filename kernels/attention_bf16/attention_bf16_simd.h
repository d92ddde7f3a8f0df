// Attention on words of two bf16: of two values of d where q meets k, of two tokens where the
// exponentials meet v.
#pragma once

#include "kernels/attention/attention_tiles_simd.h"
#include "kernels/attention_bf16/attention_bf16.h"
#include "kernels/gemm_bf16/gemm_bf16_words_simd.h"

namespace espalier::ESPALIER_ISA {

static_assert(pairs && hardware_lanes == logical_lanes);

ESPALIER_INLINE f32 word(f32 even, f32 odd) { return words({{even}}, {{odd}}).part[0]; }

// Word j of row i: values 2j and 2j + 1 of the row.
ESPALIER_INLINE void round_rows(const float* rows, int64_t stride, int64_t count, int64_t head_dim,
                                float* to) {
  for (int64_t i = 0; i < count; ++i, rows += stride, to += words_in(head_dim))
    round_row(rows, head_dim, to);
}

// Word d of row t: value d of tokens 2t and 2t + 1.
ESPALIER_INLINE Panel round_tokens(const float* v, int64_t stride, int64_t tokens, int64_t head_dim,
                                   float* to) {
  const int64_t to_stride = registers_for(head_dim) * hardware_lanes;
  for (int64_t t = 0; t < tokens; t += 2, v += 2 * stride)
    for (int64_t d = 0; d < head_dim; d += hardware_lanes) {
      const f32 even = load_left(v + d, head_dim - d);
      const f32 odd = t + 1 < tokens ? load_left(v + stride + d, head_dim - d) : f32(0.0f);
      word(even, odd).store_unaligned(to + t / 2 * to_stride + d);
    }
  return {to, to_stride};
}

// The logits in C registers a token, at p_t, become words of two tokens' exponentials, the first of
// which lie where no logit is needed any more. Returns the sums in `sum`.
template <int C>
ESPALIER_INLINE void exponentials(float* p_t, int64_t tokens, const f32 (&largest)[C],
                                  f32 (&sum)[C]) {
  const auto weight = [&](int64_t j, int c) ESPALIER_INLINE_LAMBDA {
    const f32 logit = f32::load_unaligned(p_t + j * group + c * hardware_lanes);
    return exp2_nonpositive(logit - largest[c]);
  };
  for (int64_t j = 0; j < tokens; j += 2) ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
      const f32 even = weight(j, c);
      const f32 odd = j + 1 < tokens ? weight(j + 1, c) : f32(0.0f);
      sum[c] = sum[c] + even + odd;
      word(even, odd).store_unaligned(p_t + j / 2 * group + c * hardware_lanes);
    }
}

void attention_bf16_run(const AttentionShape<float>& shape, const float* q, const float* k,
                        const float* v, float* out, float* /*stats*/, float* scratch) noexcept {
  const auto tokens = shape.tokens, head_dim = shape.head_dim, stride = shape.row_stride;
  const int64_t depth = words_in(head_dim), token_pairs = words_in(tokens);
  float* const q_words = scratch;                   // group x depth
  float* const q_t = q_words + group * depth;       // depth x group
  float* const p_t = q_t + depth * group;           // tokens x group
  float* const k_words = p_t + tokens * group;      // tokens x depth
  float* const v_words = k_words + tokens * depth;  // token_pairs x padded head_dim
  round_rows(k, stride, tokens, head_dim, k_words);
  const Panel values = round_tokens(v, stride, tokens, head_dim, v_words);
  const Rows result =
      stand_in(out, shape.out_stride, head_dim, v_words + token_pairs * values.stride);
  const f32 to_base_2(shape.scale * log2_e);
  for_groups(registers_for(shape.queries), [&]<int C>(int64_t first) {
    const int64_t i0 = first * hardware_lanes, left = shape.queries - i0;
    const int64_t count = left < C * hardware_lanes ? left : C * hardware_lanes;
    round_rows(q + i0 * stride, stride, count, head_dim, q_words);
    transpose(q_words, depth, count, depth, q_t, group, [](int64_t) { return Unchanged{}; });
    f32 largest[C], sum[C];
    ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
      largest[c] = f32(lowest);
      sum[c] = f32(0.0f);
    }
    product<WordProduct, C>(tokens, {k_words, depth, 1}, {q_t, group}, depth, from_zero,
                            [&](int64_t j, int c, f32 score) ESPALIER_INLINE_LAMBDA {
                              const f32 logit = score * to_base_2;
                              largest[c] = max(logit, largest[c]);
                              logit.store_unaligned(p_t + j * group + c * hardware_lanes);
                            });
    exponentials<C>(p_t, tokens, largest, sum);
    alignas(64) float inverse[group];
    ESPALIER_UNROLL for (int c = 0; c < C; ++c) div(f32(1.0f), sum[c])
        .store_unaligned(inverse + c * hardware_lanes);
    multiply<WordProduct>(count, head_dim, {p_t, 1, group}, values, token_pairs,
                          {result.at + i0 * result.stride, result.stride}, false, inverse);
  });
  flush(result, out, shape.out_stride, shape.queries, head_dim);
}

}  // namespace espalier::ESPALIER_ISA
