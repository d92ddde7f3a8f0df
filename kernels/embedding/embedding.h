// Rows of a table by their numbers, and the gradient's way back.
//
//   forward    y[i, j] = weight[rows[i], j]
//   backward   dweight[r, j] += sum of dy[i, j] over all i with rows[i] == r, in the order of i
//
// Contract: `count` rows of `width` values; rows[i] is in [0, entries), the rows of weight: the
// caller has checked it. Backward takes the first `columns` of `width`, so that columns can be
// dealt out. No overlap, no alignment. Every row of the tables gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

template <class T>
using EmbeddingForward = void(const int64_t* rows, const T* weight, T* y, int64_t count,
                              int64_t width) noexcept;
template <class T>
using EmbeddingBackward = void(const int64_t* rows, const T* dy, T* dweight, int64_t count,
                               int64_t columns, int64_t width, int64_t entries) noexcept;

// Rows of the two tables, best first.
template <class T>
std::span<const KernelRow<EmbeddingForward<T>>> embedding_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<EmbeddingBackward<T>>> embedding_backward_kernels() noexcept;

ESPALIER_DECLARE_CUDA(EmbeddingForward<float> embedding_forward;
                      EmbeddingForward<double> embedding_forward;
                      EmbeddingBackward<float> embedding_backward;
                      EmbeddingBackward<double> embedding_backward;)

}  // namespace espalier
