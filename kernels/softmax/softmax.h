// Softmax along rows of a contiguous matrix.
//
//   y[r, i] = exp(x[r, i] - m_r) / sum_j exp(x[r, j] - m_r),   m_r = max_j x[r, j]
//   dx[r, i] = y[r, i] * (dy[r, i] - sum_j dy[r, j] y[r, j])
//
// Contract: `rows` x `width` values, rows `width` apart; width >= 1 or rows == 0. In place is fine
// (y == x, dx == dy), any other overlap is not. No alignment is assumed. A row with a NaN, a +inf,
// or only -inf gives NaN throughout. Every SIMD row gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

template <class T>
using SoftmaxForward = void(const T* x, T* y, int64_t rows, int64_t width) noexcept;
template <class T>
using SoftmaxBackward = void(const T* y, const T* dy, T* dx, int64_t rows, int64_t width) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<SoftmaxForward<T>>> softmax_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<SoftmaxBackward<T>>> softmax_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(SoftmaxForward<float> softmax_forward;
                      SoftmaxBackward<float> softmax_backward;)
ESPALIER_DECLARE_CUDA(SoftmaxForward<float> softmax_forward; SoftmaxForward<double> softmax_forward;
                      SoftmaxBackward<float> softmax_backward;
                      SoftmaxBackward<double> softmax_backward;)

}  // namespace espalier
