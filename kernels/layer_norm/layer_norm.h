// Layer normalisation (Ba, Kiros & Hinton, arXiv 1607.06450) along rows of a contiguous matrix.
//
//   mean_r = sum_i x[r, i] / D,  rstd_r = 1 / sqrt(sum_i (x[r, i] - mean_r)^2 / D + eps)
//   n[r, i] = (x[r, i] - mean_r) rstd_r,  y[r, i] = n[r, i] gamma[i] + beta[i]
//
//   g[r, i] = dy[r, i] gamma[i]
//   dx[r, i] = rstd_r (g[r, i] - sum_j g[r, j] / D - n[r, i] sum_j g[r, j] n[r, j] / D)
//   dgamma[i] += sum_r dy[r, i] n[r, i],  dbeta[i] += sum_r dy[r, i]
//
// The variance is taken around the mean in a second pass, so a large common offset costs only what
// the mean's own rounding does.
//
// Contract: `rows` rows of width D >= 1, D apart; gamma and beta have D values; mean and rstd have
// `rows` values, or both are null where forward need not give them. dgamma and dbeta have D values
// and are added to, row by row in order, or both are null. In place is fine (y == x, dx == dy), any
// other overlap is not. No alignment is assumed.
// A row with a NaN or an infinity gives NaN throughout; so does a constant row where eps = 0 and
// its mean is exact. Where a row's sum or sum of squared deviations overflows, its result is not
// defined.
// Every SIMD row gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

template <class T>
using LayerNormForward = void(const T* x, const T* gamma, const T* beta, T* y, T* mean, T* rstd,
                              int64_t rows, int64_t width, T eps) noexcept;
template <class T>
using LayerNormBackward = void(const T* x, const T* gamma, const T* mean, const T* rstd,
                               const T* dy, T* dx, T* dgamma, T* dbeta, int64_t rows,
                               int64_t width) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<LayerNormForward<T>>> layer_norm_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<LayerNormBackward<T>>> layer_norm_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(LayerNormForward<float> layer_norm_forward;
                      LayerNormBackward<float> layer_norm_backward;)
ESPALIER_DECLARE_CUDA(LayerNormForward<float> layer_norm_forward;
                      LayerNormForward<double> layer_norm_forward;
                      LayerNormBackward<float> layer_norm_backward;
                      LayerNormBackward<double> layer_norm_backward;)

}  // namespace espalier
