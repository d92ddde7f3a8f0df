// Element-wise functions of two variables with broadcasting over a matrix, and scale-and-add.
//
//   y[r, i] = f(a[r, i], b[r, i])      y[i] = alpha x[i] + beta y[i]
//
// Contract: y is `rows` x `width`, contiguous. An operand's rows stand row_stride apart (0 for one
// row used everywhere), and its column_stride is 1, or 0 for one value used along the row. In place
// is fine where an operand has the layout of y, any other overlap is not. No alignment is assumed.
// add, sub, mul and div round once; maximum and minimum give NaN where either operand is NaN, and
// the second operand where the two are equal. share is what maximum's gradient gives to a: 1 where
// a > b, 0 where a < b, else 1/2. Every SIMD row gives the same bits.
//
// axpby rounds twice, beta y first; where beta is 0, y is not read. x must not overlap y partially.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

enum class BinaryOp { add, sub, mul, div, maximum, minimum, share };

template <class T>
struct BinaryOperand {
  const T* data;
  int64_t row_stride;
  int64_t column_stride;  // 0 or 1
};

template <class T>
using Binary = void(BinaryOp op, BinaryOperand<T> a, BinaryOperand<T> b, T* y, int64_t rows,
                    int64_t width) noexcept;
template <class T>
using Axpby = void(T alpha, const T* x, T beta, T* y, int64_t count) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<Binary<T>>> binary_kernels() noexcept;
template <class T>
std::span<const KernelRow<Axpby<T>>> axpby_kernels() noexcept;

ESPALIER_DECLARE_ISAS(Binary<float> binary; Axpby<float> axpby;)
ESPALIER_DECLARE_CUDA(Binary<float> binary; Binary<double> binary; Axpby<float> axpby;
                      Axpby<double> axpby;)

}  // namespace espalier
