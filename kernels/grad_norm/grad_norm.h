// Sums of squares of flat segments, from which come the norm of a gradient, how far a step scales
// it down and, with no second pass, whether it is finite.
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
// fold_sums adds to *total the sum of a segment's blocks, which it adds to 0 in their order: the
// result then depends on nothing but the values. clip_norm makes of a step's loss and its
// gradients' sum of squares, of `loss_scale` times the loss,
//
//   norm           = sqrt(sum_of_squares) / loss_scale
//   gradient_scale = min(1, max_norm / (norm + 1e-6)) / loss_scale; NaN unless loss and norm are
//   finite
//   unit_scale     = 1, or NaN where gradient_scale is
//
// with PyTorch's guard, which also keeps a gradient just at the limit under it. All that pointers
// lead to lies where the row runs, so that a GPU can go on with it by itself.
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

// What a step's gradients may come to.
struct NormLimits {
  double max_norm = 0, loss_scale = 1;
};
// What it comes to. The first two are added up, from 0, before clip_norm finds the others.
struct StepOutcome {
  double loss, sum_of_squares;
  double norm, gradient_scale, unit_scale;
};
using FoldSums = void(const double* sums, int64_t count, double* total) noexcept;
using ClipNorm = void(const NormLimits* limits, StepOutcome* outcome) noexcept;

// Gradients of such a scale are a step; by any other one an optimiser's rows change nothing.
ESPALIER_ANYWHERE ESPALIER_INLINE bool is_step(double gradient_scale) {
  return gradient_scale - gradient_scale == 0;  // finite
}

template <class T>
std::span<const KernelRow<SumsOfSquares<T>>> sums_of_squares_kernels() noexcept;
std::span<const KernelRow<FoldSums>> fold_sums_kernels() noexcept;
std::span<const KernelRow<ClipNorm>> clip_norm_kernels() noexcept;

ESPALIER_DECLARE_ISAS(SumsOfSquares<float> sums_of_squares;)
ESPALIER_DECLARE_CUDA(SumsOfSquares<float> sums_of_squares; SumsOfSquares<double> sums_of_squares;
                      FoldSums fold_sums; ClipNorm clip_norm;)

}  // namespace espalier
