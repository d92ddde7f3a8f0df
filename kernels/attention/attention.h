// Scaled dot-product attention of one head, softmax included (Vaswani et al., 2017, equation 1).
//
//   S = scale Q K^T     P = softmax(S) along rows     out = P V
//   dV = P^T dout       dP = dout V^T                 dS = P * (dP - rowsum(P * dP))
//   dQ = scale dS K     dK = scale dS^T Q
//
// Contract: q, k, v are T x D (tokens x head_dim, T >= 1, D >= 1), rows `row_stride` apart, and so
// are dq, dk, dv; out and dout are T x D, rows `out_stride` apart. So one head of a packed
// projection [B, T, 3, H, D] has row_stride 3HD, one of [B, H, T, D] has D. Results overlap
// nothing. No alignment is assumed; scratch is fastest at 64 bytes.
//
// Forward leaves two numbers a row for backward, which recomputes P from them (the scheme of
// FlashAttention, Dao et al., 2022, with the log-sum-exp kept in its two parts so that large logits
// lose nothing): stats[i] is the largest base-2 logit, max_j S_ij log2(e), and stats[T + i] is
// 1 / sum_j exp2(S_ij log2(e) - stats[i]). `stats` may be null where no backward follows.
//
// A row of S with a NaN, a +inf or only -inf gives NaN throughout that row of out. Probabilities
// below 2^-126 of the row's largest may count as 0. Every SIMD row gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

template <class T>
struct AttentionShape {
  int64_t tokens, head_dim;
  int64_t row_stride, out_stride;  // in elements
  T scale;                         // usually 1 / sqrt(head_dim)
  // So many leading rows of out, at least 1, are computed, and have a gradient: backward reads no
  // row of dout past them, and dq is zero there.
  int64_t queries = tokens;
};

template <class T>
using AttentionForward = void(const AttentionShape<T>& shape, const T* q, const T* k, const T* v,
                              T* out, T* stats, T* scratch) noexcept;
template <class T>
using AttentionBackward = void(const AttentionShape<T>& shape, const T* q, const T* k, const T* v,
                               const T* dout, const T* stats, T* dq, T* dk, T* dv,
                               T* scratch) noexcept;

// Elements of scratch that any row of the table may write. What they hold before does not matter.
int64_t attention_forward_scratch(int64_t tokens, int64_t head_dim) noexcept;
int64_t attention_backward_scratch(int64_t tokens, int64_t head_dim) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<AttentionForward<T>>> attention_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<AttentionBackward<T>>> attention_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(AttentionForward<float> attention_forward;
                      AttentionBackward<float> attention_backward;)
// All heads of a batch, for a GPU, which takes a block for each: head i starts i / heads * batch +
// i % heads * head elements after the operands, its statistics 2T a head.
struct AttentionHeads {
  struct Steps {
    int64_t batch, head;
  };
  int64_t count, heads;
  Steps in, out;

  ESPALIER_ANYWHERE int64_t start(int64_t i, const Steps& steps) const {
    return i / heads * steps.batch + i % heads * steps.head;
  }
};

namespace cuda {
// Longer heads do not fit a block.
template <class T>
int64_t attention_most_tokens() noexcept;
template <class T>
void attention_forward_heads(const AttentionHeads& heads, const AttentionShape<T>& shape,
                             const T* q, const T* k, const T* v, T* out, T* stats) noexcept;
template <class T>
void attention_backward_heads(const AttentionHeads& heads, const AttentionShape<T>& shape,
                              const T* q, const T* k, const T* v, const T* dout, const T* stats,
                              T* dq, T* dk, T* dv) noexcept;
}  // namespace cuda
// One head by them; scratch is not used.
ESPALIER_DECLARE_CUDA(AttentionForward<float> attention_forward;
                      AttentionForward<double> attention_forward;
                      AttentionBackward<float> attention_backward;
                      AttentionBackward<double> attention_backward;)

}  // namespace espalier
