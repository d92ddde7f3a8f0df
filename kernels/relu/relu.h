// The rectified linear unit over contiguous values.
//
//   y[i] = max(x[i], 0)
//   dx[i] = dy[i] where y[i] > 0, else 0
//
// Contract: `count` values. In place is fine (y == x, dx == dy), any other overlap is not. No
// alignment is assumed. A NaN in x stays NaN and passes no gradient; -0 stays -0. Every row gives
// the same bits. The derivative reads y, so that x need not be kept.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

template <class T>
using ReluForward = void(const T* x, T* y, int64_t count) noexcept;
template <class T>
using ReluBackward = void(const T* y, const T* dy, T* dx, int64_t count) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<ReluForward<T>>> relu_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<ReluBackward<T>>> relu_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(ReluForward<float> relu_forward; ReluBackward<float> relu_backward;)
ESPALIER_DECLARE_CUDA(ReluForward<float> relu_forward; ReluForward<double> relu_forward;
                      ReluBackward<float> relu_backward; ReluBackward<double> relu_backward;)

}  // namespace espalier
