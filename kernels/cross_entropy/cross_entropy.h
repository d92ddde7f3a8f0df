// Cross-entropy of rows of logits x [rows, C], with its softmax inside for stability.
//
//   m_r = max_j x[r, j],  s_r = sum_j exp(x[r, j] - m_r)
//   loss[r] = sum_j q[r, j] (log s_r + m_r - x[r, j])
//   dx[r, j] = scale (Q_r exp(x[r, j] - m_r) / s_r - q[r, j]),  Q_r = sum_j q[r, j]
//
// q is the target after label smoothing by a (Szegedy et al., arXiv 1512.00567):
// q[r, j] = (1 - a) p[r, j] + a / C, where p is given as it is (mixtures of labels) or is 1 at a
// class index and 0 elsewhere.
//
// Contract: rows C apart; C >= 1; loss has `rows` values; 0 <= smoothing <= 1. Indices are in
// [0, C): the caller has checked them. dx == x is fine, any other overlap is not. No alignment is
// assumed. A row with a NaN or +inf logit, or only -inf logits, gives NaN throughout. A logit of
// -inf has probability 0, and adds nothing to the loss where its q is 0, otherwise +inf. Every SIMD
// row gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// One of `index` [rows] and `probability` [rows, C] is set, the other null.
template <class T>
struct CrossEntropyTarget {
  const int64_t* index;
  const T* probability;
  T smoothing;
};

template <class T>
using CrossEntropyForward = void(const T* x, const CrossEntropyTarget<T>& target, T* loss,
                                 int64_t rows, int64_t classes) noexcept;
template <class T>
using CrossEntropyBackward = void(const T* x, const CrossEntropyTarget<T>& target, T scale, T* dx,
                                  int64_t rows, int64_t classes) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<CrossEntropyForward<T>>> cross_entropy_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<CrossEntropyBackward<T>>> cross_entropy_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(CrossEntropyForward<float> cross_entropy_forward;
                      CrossEntropyBackward<float> cross_entropy_backward;)
ESPALIER_DECLARE_CUDA(CrossEntropyForward<float> cross_entropy_forward;
                      CrossEntropyForward<double> cross_entropy_forward;
                      CrossEntropyBackward<float> cross_entropy_backward;
                      CrossEntropyBackward<double> cross_entropy_backward;)

}  // namespace espalier
