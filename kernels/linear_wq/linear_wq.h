// Codes of weights, widened for the tiles of kernels/gemm_f32: a slice of a panel at a time, all of
// one group of k.
//
//   to[k * width + n] = float(code(k, n) - middle) * scales[n],   0 <= k < K, 0 <= n < width
//
// 8 bits: code(k, n) = codes[k * width + n], middle 128. 4 bits: the byte codes[k / 2 * width + n]
// holds code(k, n) of an even k in its low half and of the next k in its high half, middle 8; an
// odd K reads the low halves alone of its last bytes.
//
// The difference is exact and the product is one IEEE multiplication: every row of the table gives
// the same bits. Contract: nothing overlaps and no alignment is assumed. Panels are whole: `width`
// is a multiple of 16, of the scalar row alone any number.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// bits: 8 or 4. One function for both: every predictor carries each row.
using LinearWqWiden = void(int bits, const uint8_t* codes, const float* scales, int64_t K,
                           int64_t width, float* to) noexcept;

constexpr ESPALIER_INLINE int linear_wq_middle(int bits) noexcept { return 1 << (bits - 1); }

// Scales of a channel: one for each `group` of its K values, which may be any number above 0.
constexpr ESPALIER_INLINE int64_t linear_wq_groups(int64_t K, int64_t group) noexcept {
  return K / group + (K % group != 0);
}

// Rows of the table, best first.
std::span<const KernelRow<LinearWqWiden>> linear_wq_kernels() noexcept;

ESPALIER_DECLARE_ISAS(LinearWqWiden linear_wq_widen;)

namespace cuda {

// On a GPU codes are not packed, and one launch widens and multiplies:
//
//   y[m, n] = bias[n] + sum_k x[m, k] * W[n, k],   0 <= m < M, 0 <= n < N
//   W[n, k] = float(code(n, k)) * scales[n * groups + k / group]
//   groups = linear_wq_groups(K, group)
//
// where the codes of channel n (kernels/linear_wq/linear_wq_scalar.h) start at codes[n * K], of 4
// bits at codes[n * ((K + 1) / 2)]. Rows of x and y follow each other; K < 2^32.
struct LinearWq {
  int bits = 8;
  int64_t M = 0, N = 0, K = 0, group = 1;
  const float* x = nullptr;
  const uint8_t* codes = nullptr;
  const float* scales = nullptr;
  const float* bias = nullptr;  // N values, or none
  float* y = nullptr;
};

// The product of x and W: for float that of kernels/gemm_f32, for BFloat16 and Float16 that of
// kernels/gemm_mma with both rounded to it, each bit for bit.
template <class Element>
using LinearWqRun = void(const LinearWq& layer) noexcept;
template <class Element>
LinearWqRun<Element> linear_wq_run;

}  // namespace cuda

}  // namespace espalier
