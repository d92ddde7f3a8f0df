// One step of stochastic gradient descent over a flat segment, in PyTorch's form with dampening 0
// (Sutskever et al., "On the importance of initialization and momentum", ICML 2013):
//
//   g = gradient_scale * g + l2 * p
//   p = decay * p                              decay = 1 - lr * weight_decay when decoupled, else 1
//   b = momentum * b + g                       only when there is a velocity
//   d = g + momentum * b if nesterov, b if not, g without a velocity
//   p = p - lr * d
//   a = a + average_weight (p - a)             only when an average is given
//
// A velocity of zeros makes the first step PyTorch's, whose buffer starts as the first gradient.
//
// Contract: `count` elements in each array, count may be zero, no alignment is assumed, no arrays
// overlap; `velocity` and `average` may be null. The gradient is left as it was. `step` and
// `gradient_scale` lie where the arrays do: on a GPU they may be what it has just found. A scale
// that is not finite changes nothing; in the arrays NaN and infinity propagate. Every SIMD row
// gives the same bits, and an element's result does not depend on where it stands.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// What is the same for all elements.
template <class T>
struct SgdStep {
  T l2;     // weight decay as a part of the gradient, or 0
  T decay;  // decoupled weight decay: 1 - lr * weight_decay, or 1
  T momentum;
  T lr;
  T average_weight;  // 1 - the decay of the weight average
  bool nesterov;
};

template <class T>
using SgdUpdate = void(const SgdStep<T>* step, const double* gradient_scale, const T* gradient,
                       T* parameter, T* velocity, T* average, int64_t count) noexcept;

template <class T>
std::span<const KernelRow<SgdUpdate<T>>> sgd_kernels() noexcept;

ESPALIER_DECLARE_ISAS(SgdUpdate<float> sgd;)
ESPALIER_DECLARE_CUDA(SgdUpdate<float> sgd; SgdUpdate<double> sgd;)

}  // namespace espalier
