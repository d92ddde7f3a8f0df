// Affine quantisation of contiguous values, and back (Jacob et al., 2018, equation 1).
//
//   quantize    y[i] = limit(round(x[i] * inverse_scale) + zero_point)
//   dequantize  y[i] = float(x[i] - zero_point) * scale
//
// The product is one IEEE multiplication, round() is to nearest even, limit() saturates at the ends
// of the integer type; NaN becomes its low end. Every row of the table gives the same integers and
// the same floats.
//
// Contract: `count` values that do not overlap; scales are finite and positive; the zero point is a
// value of the integer type. No alignment is assumed.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// To is int8_t or int16_t, and so is From.
template <class To>
using Quantize = void(const float* x, To* y, int64_t count, float inverse_scale,
                      int zero_point) noexcept;
template <class From>
using Dequantize = void(const From* x, float* y, int64_t count, float scale,
                        int zero_point) noexcept;

// Rows of the tables, best first.
template <class To>
std::span<const KernelRow<Quantize<To>>> quantize_kernels() noexcept;
template <class From>
std::span<const KernelRow<Dequantize<From>>> dequantize_kernels() noexcept;

ESPALIER_DECLARE_DOT_ISAS(Quantize<int8_t> quantize_s8; Quantize<int16_t> quantize_s16;
                          Dequantize<int8_t> dequantize_s8; Dequantize<int16_t> dequantize_s16;)
ESPALIER_DECLARE_CUDA(Quantize<int8_t> quantize; Quantize<int16_t> quantize;
                      Dequantize<int8_t> dequantize; Dequantize<int16_t> dequantize;)

}  // namespace espalier
