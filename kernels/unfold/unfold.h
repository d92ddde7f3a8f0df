// Images as the matrix of their windows, and back (im2col and col2im; Chellapilla et al., 2006):
// with a matrix product between them, a convolution.
//
//   unfold   patches[b, i, j, u, v, c] = x[b, i*stride + u - padding, j*stride + v - padding, c]
//   fold     x[b, h, w, c] = sum of patches[b, i, j, u, v, c] over all that unfold takes from there
//
// Contract: `images` contiguous images [H, W, C] without their border; `shape` describes them with
// it, as kernels/conv2d/conv2d.h does. What lies in the border unfolds to zeros and folds away. No
// overlap, no alignment. fold adds from zero in ascending order of (u, v), so that every row gives
// the same bits.
#pragma once

#include "kernels/conv2d/conv2d.h"

namespace espalier {

template <class T>
using Unfold = void(const T* x, T* patches, int64_t images, int64_t padding,
                    const Conv2dShape& shape) noexcept;
template <class T>
using Fold = void(const T* patches, T* x, int64_t images, int64_t padding,
                  const Conv2dShape& shape) noexcept;

// Rows of the two tables, best first.
template <class T>
std::span<const KernelRow<Unfold<T>>> unfold_kernels() noexcept;
template <class T>
std::span<const KernelRow<Fold<T>>> fold_kernels() noexcept;

ESPALIER_DECLARE_CUDA(Unfold<float> unfold; Unfold<double> unfold; Fold<float> fold;
                      Fold<double> fold;)

}  // namespace espalier
