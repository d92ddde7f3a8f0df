// Sums of squares of a flat segment, from which come the norm of a gradient and, with no second
// pass, whether it is finite.
//
//   sums[b] = sum of x[i]^2 over block b, in double: sixteen running sums, lane i % 16, folded in a
//             fixed tree
//
// Contract: `count` values in blocks of grad_norm_block, the last of which may be short; a sum for
// each. count may be zero, no alignment is assumed. Squares of floats are exact in double and
// cannot overflow there, nor can their sum: it is finite exactly when every float is. Every row,
// the scalar one and a GPU's too, gives the same bits. Squares of doubles round, and overflow past
// 1e154.
//
// The caller adds the blocks' sums in order: the result then depends on nothing but the values.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

constexpr int64_t grad_norm_block = 16384;
ESPALIER_ANYWHERE constexpr int64_t grad_norm_blocks(int64_t count) {
  return (count + grad_norm_block - 1) / grad_norm_block;
}

template <class T>
using SumsOfSquares = void(const T* x, int64_t count, double* sums) noexcept;

template <class T>
std::span<const KernelRow<SumsOfSquares<T>>> sums_of_squares_kernels() noexcept;

ESPALIER_DECLARE_ISAS(SumsOfSquares<float> sums_of_squares;)
ESPALIER_DECLARE_CUDA(SumsOfSquares<float> sums_of_squares; SumsOfSquares<double> sums_of_squares;)

}  // namespace espalier
