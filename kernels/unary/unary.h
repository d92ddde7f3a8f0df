// Element-wise functions of one variable over contiguous values.
//
//   y[i] = f(x[i])                 forward
//   dx[i] = f'(x[i]) * dy[i]       backward, from x or from y as unary_keeps_output() says
//
// Contract: `count` values. In place is fine (y == x, dx == dy or dx == saved), any other overlap
// is not. No alignment is assumed. neg, abs, square, sqrt and reciprocal round once, rsqrt twice;
// the accuracy of exp, log, tanh and sigmoid stands in kernels/simd_math.h. NaN gives NaN, and so
// do sqrt, rsqrt and log of negative numbers. The derivative of abs at zero is zero. Every SIMD row
// gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

enum class UnaryOp { neg, abs, square, sqrt, rsqrt, reciprocal, exp, log, tanh, sigmoid };

// True when the derivative is computed from y = f(x), so that x need not be kept.
constexpr bool unary_keeps_output(UnaryOp op) noexcept {
  return op >= UnaryOp::sqrt && op != UnaryOp::log;
}

template <class T>
using UnaryForward = void(UnaryOp op, const T* x, T* y, int64_t count) noexcept;
template <class T>
using UnaryBackward = void(UnaryOp op, const T* saved, const T* dy, T* dx, int64_t count) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<UnaryForward<T>>> unary_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<UnaryBackward<T>>> unary_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(UnaryForward<float> unary_forward; UnaryBackward<float> unary_backward;)
ESPALIER_DECLARE_CUDA(UnaryForward<float> unary_forward; UnaryForward<double> unary_forward;
                      UnaryBackward<float> unary_backward; UnaryBackward<double> unary_backward;)

}  // namespace espalier
