// Attention of one head on registers of queries.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_tiles_simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t block = 64;  // queries that backward takes at a time

void attention_forward(const AttentionShape<float>& shape, const float* q, const float* k,
                       const float* v, float* out, float* stats, float* scratch) noexcept {
  const auto tokens = shape.tokens, head_dim = shape.head_dim, stride = shape.row_stride;
  const auto queries = shape.queries;
  float* const q_t = scratch;                 // D x group
  float* const p_t = q_t + head_dim * group;  // T x group: logits, then exponentials
  const int64_t padded = tokens * registers_for(head_dim) * hardware_lanes;
  float* const padded_v = p_t + tokens * group;
  const Panel values = as_panel(v, stride, tokens, head_dim, padded_v);
  const Rows result = stand_in(out, shape.out_stride, head_dim, padded_v + padded);
  const f32 to_base_2(shape.scale * log2_e);
  for_groups(registers_for(queries), [&]<int C>(int64_t first) {
    const int64_t i0 = first * hardware_lanes;
    const int64_t count = queries - i0 < C * hardware_lanes ? queries - i0 : C * hardware_lanes;
    transpose(q + i0 * stride, stride, count, head_dim, q_t, group,
              [&](int64_t) { return to_base_2; });
    f32 largest[C], sum[C];
    ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
      largest[c] = f32(lowest);
      sum[c] = f32(0.0f);
    }
    product<Fused, C>(tokens, {k, stride, 1}, {q_t, group}, head_dim, from_zero,
                      [&](int64_t j, int c, f32 logit) ESPALIER_INLINE_LAMBDA {
                        largest[c] = max(logit, largest[c]);
                        logit.store_unaligned(p_t + j * group + c * hardware_lanes);
                      });
    for (int64_t j = 0; j < tokens; ++j) ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
        float* const at = p_t + j * group + c * hardware_lanes;
        const f32 e = exp2_nonpositive(f32::load_unaligned(at) - largest[c]);
        e.store_unaligned(at);
        sum[c] = sum[c] + e;
      }
    alignas(64) float inverse[group];
    ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
      const f32 one_over = div(f32(1.0f), sum[c]);
      one_over.store_unaligned(inverse + c * hardware_lanes);
      if (!stats) continue;
      const int64_t i = i0 + c * hardware_lanes;
      store_left(stats + i, largest[c], queries - i);
      store_left(stats + tokens + i, one_over, queries - i);
    }
    multiply<Fused>(count, head_dim, {p_t, 1, group}, values, tokens,
                    {result.at + i0 * result.stride, result.stride}, false, inverse);
  });
  flush(result, out, shape.out_stride, queries, head_dim);
}

void attention_backward(const AttentionShape<float>& shape, const float* q, const float* k,
                        const float* v, const float* dout, const float* stats, float* dq, float* dk,
                        float* dv, float* scratch) noexcept {
  const auto tokens = shape.tokens, head_dim = shape.head_dim, stride = shape.row_stride;
  const auto queries = shape.queries;
  const int64_t padded = registers_for(head_dim) * hardware_lanes;
  float* const q_t = scratch;                    // D x block
  float* const dout_t = q_t + head_dim * block;  // D x block
  float* const e_t = dout_t + head_dim * block;  // T x block: P without its 1 / sum
  float* const ds_t = e_t + tokens * block;      // T x block: scaled dP, then scaled dS
  float* const q_rows = ds_t + tokens * block;   // block x padded
  float* const dout_rows = q_rows + block * padded;
  float* const k_rows = dout_rows + block * padded;  // T x padded, and so are the stand-ins
  const Panel keys = as_panel(k, stride, tokens, head_dim, k_rows);
  const Gradients to = {stand_in(dq, stride, head_dim, k_rows + tokens * padded),
                        stand_in(dk, stride, head_dim, k_rows + 2 * tokens * padded),
                        stand_in(dv, stride, head_dim, k_rows + 3 * tokens * padded),
                        dq,
                        dk,
                        dv};
  for (int64_t i0 = 0; i0 < queries; i0 += block) {
    const int64_t count = queries - i0 < block ? queries - i0 : block;
    const float* const inverse = stats + tokens + i0;
    const float* const q0 = q + i0 * stride;
    const float* const dout0 = dout + i0 * shape.out_stride;
    transpose(q0, stride, count, head_dim, q_t, block,
              [&](int64_t) { return f32(shape.scale * log2_e); });
    transpose(dout0, shape.out_stride, count, head_dim, dout_t, block,
              [&](int64_t i) { return load_left(inverse + i, count - i) * f32(shape.scale); });
    for_groups(registers_for(count), [&]<int C>(int64_t first) {
      const int64_t lane = first * hardware_lanes;
      f32 largest[C], delta[C];
      ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
        const int64_t i = lane + c * hardware_lanes;
        largest[c] = load_left(stats + i0 + i, count - i);
        delta[c] = f32(0.0f);
      }
      product<Fused, C>(tokens, {k, stride, 1}, {q_t + lane, block}, head_dim, from_zero,
                        [&](int64_t j, int c, f32 logit) ESPALIER_INLINE_LAMBDA {
                          const f32 e = exp2_nonpositive(logit - largest[c]);
                          e.store_unaligned(e_t + j * block + lane + c * hardware_lanes);
                        });
      product<Fused, C>(tokens, {v, stride, 1}, {dout_t + lane, block}, head_dim, from_zero,
                        [&](int64_t j, int c, f32 dp) ESPALIER_INLINE_LAMBDA {
                          const int64_t at = j * block + lane + c * hardware_lanes;
                          delta[c] = fma(f32::load_unaligned(e_t + at), dp, delta[c]);
                          dp.store_unaligned(ds_t + at);
                        });
      ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
        const int64_t i = lane + c * hardware_lanes;
        delta[c] = delta[c] * load_left(inverse + i, count - i);
      }
      for (int64_t j = 0; j < tokens; ++j) ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
          const int64_t at = j * block + lane + c * hardware_lanes;
          const f32 centred = f32::load_unaligned(ds_t + at) - delta[c];
          (f32::load_unaligned(e_t + at) * centred).store_unaligned(ds_t + at);
        }
    });
    const Panel douts = copy(dout0, shape.out_stride, count, head_dim, dout_rows,
                             [&](int64_t i) { return f32(inverse[i]); });
    const Panel q_panel = as_panel(q0, stride, count, head_dim, q_rows);
    const bool add = i0 > 0;
    multiply<Fused>(tokens, head_dim, {e_t, block, 1}, douts, count, to.v, add, nullptr);
    multiply<Fused>(tokens, head_dim, {ds_t, block, 1}, q_panel, count, to.k, add, nullptr);
    multiply<Fused>(count, head_dim, {ds_t, 1, block}, keys, tokens,
                    {to.q.at + i0 * to.q.stride, to.q.stride}, false, nullptr);
  }
  to.finish(shape);
}

}  // namespace espalier::ESPALIER_ISA
