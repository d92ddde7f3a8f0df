// The sum of squares of a flat segment, from which come the norm of a gradient and, with no second
// pass, whether it is finite.
//
//   sum_i x[i]^2 in double: sixteen running sums, lane i % 16, folded in a fixed tree
//
// Contract: `count` values, count may be zero (the sum is 0), no alignment is assumed. Squares of
// floats are exact in double and cannot overflow there, nor can their sum: it is finite exactly
// when every float is. Every row, the scalar one too, gives the same bits. Squares of doubles
// round, and overflow past 1e154.
//
// A caller that splits the work adds the sums of whole grad_norm_block blocks, in order: the result
// then depends on nothing but the values.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

constexpr int64_t grad_norm_block = 16384;

template <class T>
using SumOfSquares = double(const T* x, int64_t count) noexcept;

template <class T>
std::span<const KernelRow<SumOfSquares<T>>> sum_of_squares_kernels() noexcept;

ESPALIER_DECLARE_ISAS(SumOfSquares<float> sum_of_squares;)

}  // namespace espalier
