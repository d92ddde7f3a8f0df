// Attention on words of two bf16: of two values of d where q meets k or dout meets v, of two tokens
// where weights, or their gradients, meet rows.
#pragma once

#include <limits>

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

// Words of `count` queries, at most a group: those of query i in lane i of each row at `to`. `rows`
// is scratch.
ESPALIER_INLINE void round_queries(const float* q, int64_t stride, int64_t count, int64_t head_dim,
                                   float* rows, float* to) {
  const int64_t depth = words_in(head_dim);
  round_rows(q, stride, count, head_dim, rows);
  transpose(rows, depth, count, depth, to, group, [](int64_t) { return Unchanged{}; });
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
                        const float* v, float* out, float* stats, float* scratch) noexcept {
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
    round_queries(q + i0 * stride, stride, count, head_dim, q_words, q_t);
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
    ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
      const f32 one_over = div(f32(1.0f), sum[c]);
      one_over.store_unaligned(inverse + c * hardware_lanes);
      if (!stats) continue;
      const int64_t i = i0 + c * hardware_lanes;
      store_left(stats + i, largest[c], shape.queries - i);
      store_left(stats + tokens + i, one_over, shape.queries - i);
    }
    multiply<WordProduct>(count, head_dim, {p_t, 1, group}, values, token_pairs,
                          {result.at + i0 * result.stride, result.stride}, false, inverse);
  });
  flush(result, out, shape.out_stride, shape.queries, head_dim);
}

// Words of a register's lanes 2t and 2t + 1.
ESPALIER_INLINE void store_words_of_lanes(float* to, f32 x) {
  store_bf16(reinterpret_cast<uint16_t*>(to), {{x}});
}

// Where backward keeps its operands as words, and what comes of scores.
struct BackwardScratch {
  int64_t tokens, depth;
  float* rows;                  // group x depth
  float *q_t, *dout_t;          // depth x group
  float *p_t, *ds_t;            // tokens x group: P and dP, then their words of two queries
  float* ds_pairs;              // token_pairs x group: words of two tokens
  float *q_pairs, *dout_pairs;  // group / 2 x padded head_dim
  float *k_words, *v_words;     // tokens x depth
  float* k_pairs;               // token_pairs x padded head_dim
  float* results[3];            // tokens x padded head_dim

  ESPALIER_INLINE BackwardScratch(float* at, int64_t token_count, int64_t head_dim)
      : tokens(token_count), depth(words_in(head_dim)) {
    const int64_t padded = registers_for(head_dim) * hardware_lanes;
    const auto take = [&](float*& of, int64_t size) { of = at, at += size; };
    take(rows, group * depth), take(q_t, depth * group), take(dout_t, depth * group);
    take(p_t, tokens * group), take(ds_t, tokens * group);
    take(ds_pairs, words_in(tokens) * group);
    take(q_pairs, group / 2 * padded), take(dout_pairs, group / 2 * padded);
    take(k_words, tokens * depth), take(v_words, tokens * depth);
    take(k_pairs, words_in(tokens) * padded);
    for (float*& result : results) take(result, tokens * padded);
  }
};

// Of C registers of queries from `lane` on: P and dP, then words of P and of dS in their place.
// Words of a row start at its first float, so that none is written where a value is still to be
// read.
template <int C>
ESPALIER_INLINE void score_gradients(const BackwardScratch& s, float scale, const f32 (&largest)[C],
                                     const f32 (&inverse)[C], int64_t lane) {
  f32 delta[C];
  ESPALIER_UNROLL for (int c = 0; c < C; ++c) delta[c] = f32(0.0f);
  const f32 to_base_2(scale * log2_e), by(scale);
  const auto place = [&](int64_t j, int c)
                         ESPALIER_INLINE_LAMBDA { return j * group + lane + c * hardware_lanes; };
  product<WordProduct, C>(s.tokens, {s.k_words, s.depth, 1}, {s.q_t + lane, group}, s.depth,
                          from_zero, [&](int64_t j, int c, f32 score) ESPALIER_INLINE_LAMBDA {
                            const f32 e = exp2_nonpositive(score * to_base_2 - largest[c]);
                            (e * inverse[c]).store_unaligned(s.p_t + place(j, c));
                          });
  product<WordProduct, C>(s.tokens, {s.v_words, s.depth, 1}, {s.dout_t + lane, group}, s.depth,
                          from_zero, [&](int64_t j, int c, f32 dp) ESPALIER_INLINE_LAMBDA {
                            const f32 p = f32::load_unaligned(s.p_t + place(j, c));
                            delta[c] = fma(p, dp, delta[c]);
                            dp.store_unaligned(s.ds_t + place(j, c));
                          });
  const auto gradient = [&](int64_t j, int c) ESPALIER_INLINE_LAMBDA {
    const f32 p = f32::load_unaligned(s.p_t + place(j, c));
    const f32 ds = p * (f32::load_unaligned(s.ds_t + place(j, c)) - delta[c]) * by;
    const int64_t word_of_lane = j * group + (lane + c * hardware_lanes) / 2;
    store_words_of_lanes(s.p_t + word_of_lane, p);
    store_words_of_lanes(s.ds_t + word_of_lane, ds);
    return ds;
  };
  for (int64_t j = 0; j < s.tokens; j += 2) ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
      const f32 even = gradient(j, c);
      const f32 odd = j + 1 < s.tokens ? gradient(j + 1, c) : f32(0.0f);
      word(even, odd).store_unaligned(s.ds_pairs + place(j / 2, c));
    }
}

void attention_bf16_backward(const AttentionShape<float>& shape, const float* q, const float* k,
                             const float* v, const float* dout, const float* stats, float* dq,
                             float* dk, float* dv, float* scratch) noexcept {
  const auto tokens = shape.tokens, head_dim = shape.head_dim, stride = shape.row_stride;
  const auto queries = shape.queries;
  const BackwardScratch s(scratch, tokens, head_dim);
  round_rows(k, stride, tokens, head_dim, s.k_words);
  round_rows(v, stride, tokens, head_dim, s.v_words);
  const Panel keys = round_tokens(k, stride, tokens, head_dim, s.k_pairs);
  const Gradients to = {stand_in(dq, stride, head_dim, s.results[0]),
                        stand_in(dk, stride, head_dim, s.results[1]),
                        stand_in(dv, stride, head_dim, s.results[2]),
                        dq,
                        dk,
                        dv};
  for (int64_t i0 = 0; i0 < queries; i0 += group) {
    const int64_t count = queries - i0 < group ? queries - i0 : group;
    const float* const q0 = q + i0 * stride;
    const float* const dout0 = dout + i0 * shape.out_stride;
    round_queries(q0, stride, count, head_dim, s.rows, s.q_t);
    round_queries(dout0, shape.out_stride, count, head_dim, s.rows, s.dout_t);
    for_groups(registers_for(count), [&]<int C>(int64_t first) {
      f32 largest[C], inverse[C];
      ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
        const int64_t i = (first + c) * hardware_lanes, left = count - i;
        const int lanes = left < hardware_lanes ? static_cast<int>(left) : hardware_lanes;
        // The lane past an odd last query shares a word with it: its weights are to be zero.
        constexpr float infinity = std::numeric_limits<float>::infinity();
        largest[c] = load_part(stats + i0 + i, lanes, infinity);
        inverse[c] = load_part(stats + tokens + i0 + i, lanes);
      }
      score_gradients<C>(s, shape.scale, largest, inverse, first * hardware_lanes);
    });
    const Panel douts = round_tokens(dout0, shape.out_stride, count, head_dim, s.dout_pairs);
    const Panel q_panel = round_tokens(q0, stride, count, head_dim, s.q_pairs);
    const int64_t query_pairs = words_in(count);
    const bool add = i0 > 0;
    multiply<WordProduct>(tokens, head_dim, {s.p_t, group, 1}, douts, query_pairs, to.v, add,
                          nullptr);
    multiply<WordProduct>(tokens, head_dim, {s.ds_t, group, 1}, q_panel, query_pairs, to.k, add,
                          nullptr);
    multiply<WordProduct>(count, head_dim, {s.ds_pairs, 1, group}, keys, words_in(tokens),
                          {to.q.at + i0 * to.q.stride, to.q.stride}, false, nullptr);
  }
  to.finish(shape);
}

}  // namespace espalier::ESPALIER_ISA
