// One AdamW step over a flat segment (Loshchilov & Hutter, "Decoupled weight decay regularization",
// ICLR 2019, arXiv 1711.05101), in PyTorch's order and with its place for epsilon:
//
//   g = gradient_scale * g
//   p = decay * p                                       decay = 1 - lr * weight_decay
//   m = m + (1 - beta1) (g - m)
//   v = beta2 v + (1 - beta2) g^2
//   p = p - step_size * m / (sqrt(v) * inverse_root_bias2 + epsilon)
//   a = a + average_weight (p - a)                      only when an average is given
//
// Contract: `count` elements in each array, count may be zero, no alignment is assumed, no arrays
// overlap; `average` may be null. The gradient is left as it was. `step` and `gradient_scale` lie
// where the arrays do: on a GPU they may be what it has just found. A scale that is not finite
// changes nothing; in the arrays NaN and infinity propagate. Every SIMD row gives the same bits,
// and an element's result does not depend on where it stands.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// What is the same for all elements. t counts steps from 1.
template <class T>
struct AdamWStep {
  T decay;             // 1 - lr * weight_decay
  T beta1_complement;  // 1 - beta1
  T beta2;
  T beta2_complement;    // 1 - beta2
  T step_size;           // lr / (1 - beta1^t)
  T inverse_root_bias2;  // 1 / sqrt(1 - beta2^t)
  T epsilon;
  T average_weight;  // 1 - the decay of the weight average
};

template <class T>
using AdamWUpdate = void(const AdamWStep<T>* step, const double* gradient_scale, const T* gradient,
                         T* parameter, T* first_moment, T* second_moment, T* average,
                         int64_t count) noexcept;

template <class T>
std::span<const KernelRow<AdamWUpdate<T>>> adamw_kernels() noexcept;

ESPALIER_DECLARE_ISAS(AdamWUpdate<float> adamw;)
ESPALIER_DECLARE_CUDA(AdamWUpdate<float> adamw; AdamWUpdate<double> adamw;)

}  // namespace espalier
