// Values as codes would hold them, and the gradients that pass through the rounding (the
// straight-through estimator with clipping, Jacob et al., 2018, section 3; the step size's after
// Esser et al., 2020, "Learned step size quantization", equation 3).
//
//   y[r, i]  = limit(round(x[r, i] / s)) * s      limit to [low, high], round to nearest even
//   dx[r, i] = dy[r, i] where x[r, i] / s rounds to something within [low, high], else 0
//   shares[r] = sum_i dy[r, i] * (y[r, i] - (the same condition ? x[r, i] : 0)) / s
//
// where s = scale[r % scales].
//
// The backward pass reads y rather than rounding again, so y may come from elsewhere: from kernels
// that compute on codes, which stand for
//
//   y[r, i]  = (codes[r, i] - zero_point) * s
//
// Contract: rows [first, first + rows) of a contiguous matrix of `width` columns, whose pointers
// are those of row `first`; y may be x and dx may be dy, any other overlap is not allowed. No
// alignment is assumed. Scales are finite and positive; low <= 0 <= high are whole numbers (the
// ends of the codes less their zero point) of magnitude below 2^21. NaN becomes low * s and passes
// no gradient. Every SIMD row gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// Which scale each row has, and the ends of its codes.
template <class T>
struct CodeSteps {
  const T* scale;
  int64_t scales;
  T low, high;
  int64_t first = 0;  // the number of the first row

  ESPALIER_ANYWHERE T of_row(int64_t r) const { return scale[(first + r) % scales]; }
};

template <class T>
using FakeQuantizeForward = void(const T* x, T* y, int64_t rows, int64_t width,
                                 const CodeSteps<T>& steps) noexcept;
template <class T>
using FakeQuantizeBackward = void(const T* x, const T* y, const T* dy, T* dx, T* shares,
                                  int64_t rows, int64_t width, const CodeSteps<T>& steps) noexcept;
// Codes are int8_t or int16_t; low and high of `steps` count for nothing.
template <class T, class From>
using FakeQuantizeCodes = void(const From* codes, T* y, int64_t rows, int64_t width, int zero_point,
                               const CodeSteps<T>& steps) noexcept;

// Rows of the tables, best first; those for double, and those of codes, hold no SIMD rows.
template <class T>
std::span<const KernelRow<FakeQuantizeForward<T>>> fake_quantize_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<FakeQuantizeBackward<T>>> fake_quantize_backward_kernels() noexcept;
template <class T, class From>
std::span<const KernelRow<FakeQuantizeCodes<T, From>>> fake_quantize_codes_kernels() noexcept;

ESPALIER_DECLARE_ISAS(FakeQuantizeForward<float> fake_quantize_forward;
                      FakeQuantizeBackward<float> fake_quantize_backward;)
ESPALIER_DECLARE_CUDA(FakeQuantizeForward<float> fake_quantize_forward;
                      FakeQuantizeForward<double> fake_quantize_forward;
                      FakeQuantizeBackward<float> fake_quantize_backward;
                      FakeQuantizeBackward<double> fake_quantize_backward;
                      FakeQuantizeCodes<float, int8_t> fake_quantize_codes;
                      FakeQuantizeCodes<float, int16_t> fake_quantize_codes;
                      FakeQuantizeCodes<double, int8_t> fake_quantize_codes;
                      FakeQuantizeCodes<double, int16_t> fake_quantize_codes;)

}  // namespace espalier
