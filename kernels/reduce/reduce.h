// Reductions of a matrix along its rows or its columns.
//
//   rows:    y[r] = x[r, 0] op x[r, 1] op …        index[r] = the first i where x[r, i] is largest
//   columns: y[i] = x[0, i] op x[1, i] op …
//
// Contract: `rows` x `width` values, rows `row_stride` >= width apart; y is contiguous and overlaps
// nothing. No alignment is assumed. The order of additions depends on the shape alone: along a row,
// whole groups of 64 go to four sums of sixteen lanes, the rest to the first of them, then one
// fixed tree; along a column, top to bottom. So split long columns into row blocks of a fixed size.
// The largest and smallest are NaN where any element is, and the first NaN counts as largest for
// argmax. Nothing sums to 0 and has the largest element -inf and the smallest +inf; argmax needs
// width >= 1. Every SIMD row gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

enum class ReduceOp { sum, maximum, minimum };

template <class T>
using Reduce = void(ReduceOp op, const T* x, T* y, int64_t rows, int64_t width,
                    int64_t row_stride) noexcept;
template <class T>
using Argmax = void(const T* x, int64_t* index, int64_t rows, int64_t width,
                    int64_t row_stride) noexcept;

// Rows of the tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<Reduce<T>>> reduce_rows_kernels() noexcept;
template <class T>
std::span<const KernelRow<Reduce<T>>> reduce_columns_kernels() noexcept;
template <class T>
std::span<const KernelRow<Argmax<T>>> argmax_rows_kernels() noexcept;

ESPALIER_DECLARE_ISAS(Reduce<float> reduce_rows; Reduce<float> reduce_columns;
                      Argmax<float> argmax_rows;)
ESPALIER_DECLARE_CUDA(Reduce<float> reduce_rows; Reduce<double> reduce_rows;
                      Reduce<float> reduce_columns; Reduce<double> reduce_columns;
                      Argmax<float> argmax_rows; Argmax<double> argmax_rows;)

}  // namespace espalier
