// The Gaussian error linear unit (Hendrycks & Gimpel, arXiv 1606.08415), element by element.
//
//   erf form   y = x Phi(x),  Phi(x) = (1 + erf(x / sqrt 2)) / 2
//   tanh form  y = x (1 + tanh(u)) / 2,  u = sqrt(2 / pi) (x + 0.044715 x^3)
//
// Training forward also gives slope = dy/dx, so that backward is dx = dy * slope and keeps nothing
// else.
//
// Contract: `count` >= 0 values. y or slope or dx may be the same array as an input; y and slope
// are two arrays; any other overlap is not allowed. No alignment is assumed.
//   y(+inf) = +inf and slope(+inf) = 1; y(-inf) = 0 and slope(-inf) = 0; NaN gives NaN; a zero
//   gives a zero of either sign; where |y| falls under |x| * 2^-126 the SIMD rows may give 0.
// Every SIMD row gives the same bits. Relative to the exact y, the SIMD erf form is within
// 3 epsilon; the tanh form within (3 + 4 |u|) epsilon, as its exponent 2u is rounded four times.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

enum class GeluKind { erf, tanh };

template <class T>
using GeluForward = void(GeluKind kind, const T* x, T* y, int64_t count) noexcept;
template <class T>
using GeluTraining = void(GeluKind kind, const T* x, T* y, T* slope, int64_t count) noexcept;
template <class T>
using GeluBackward = void(const T* slope, const T* dy, T* dx, int64_t count) noexcept;

// Rows of the three tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<GeluForward<T>>> gelu_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<GeluTraining<T>>> gelu_training_kernels() noexcept;
template <class T>
std::span<const KernelRow<GeluBackward<T>>> gelu_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(GeluForward<float> gelu_forward; GeluTraining<float> gelu_training;
                      GeluBackward<float> gelu_backward;)
ESPALIER_DECLARE_CUDA(GeluForward<float> gelu_forward; GeluForward<double> gelu_forward;
                      GeluTraining<float> gelu_training; GeluTraining<double> gelu_training;
                      GeluBackward<float> gelu_backward; GeluBackward<double> gelu_backward;)

}  // namespace espalier
