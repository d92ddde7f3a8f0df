// Values as codes would hold them, and the gradients that pass through the rounding (the
// straight-through estimator with clipping, Jacob et al., 2018, section 3; the step size's after
// Esser et al., 2020, "Learned step size quantization", equation 3).
//
//   y[i]  = limit(round(x[i] / scale)) * scale       limit to [low, high], round to nearest even
//   dx[i] = dy[i] where x[i] / scale rounds to something within [low, high], else 0
//   returns the sum of dy[i] * (y[i] - (the same condition ? x[i] : 0)) / scale
//
// The backward pass reads y rather than rounding again, so y may come from elsewhere: from kernels
// that compute on codes.
//
// Contract: `count` contiguous values; y may be x and dx may be dy, any other overlap is not
// allowed. No alignment is assumed. scale is finite and positive, inverse is 1 / scale; low <= 0 <=
// high are whole numbers (the ends of the codes less their zero point) of magnitude below 2^21. NaN
// becomes low * scale and passes no gradient. Every SIMD row gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// What the codes of one run have in common.
template <class T>
struct CodeSteps {
  T scale, inverse, low, high;
};

template <class T>
using FakeQuantizeForward = void(const T* x, T* y, int64_t count, CodeSteps<T> steps) noexcept;
template <class T>
using FakeQuantizeBackward = T(const T* x, const T* y, const T* dy, T* dx, int64_t count,
                               CodeSteps<T> steps) noexcept;

// Rows of the two tables, best first; those for double hold the scalar reference alone.
template <class T>
std::span<const KernelRow<FakeQuantizeForward<T>>> fake_quantize_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<FakeQuantizeBackward<T>>> fake_quantize_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(FakeQuantizeForward<float> fake_quantize_forward;
                      FakeQuantizeBackward<float> fake_quantize_backward;)

}  // namespace espalier
