// Layer normalisation (Ba et al., 2016) of a wide integer stream into 8-bit codes.
//
//   S = sum_i x[i],  Q = sum_i x[i]^2,  V = D Q - S^2            exact, in 64 bits
//   rstd = 1 / sqrt(float(V) / float(D^2) + eps),  shift = -(float(S) / float(D)) * rstd
//   y[i] = limit(round(fma(fma(float(x[i]), rstd, shift), gamma[i], beta[i])), -128, 127)
//
// in single precision, each operation one IEEE operation in the order written; float() and round()
// go to nearest even. gamma and beta have been divided by the scale of y, beta holds its zero point
// too, and eps has been divided by the square of the scale of x. Every row of the table gives the
// same integers.
//
// Contract: `rows` rows of width D, 1 <= D <= layer_norm_s8_widest, D apart; gamma and beta have D
// finite values, eps > 0. y does not overlap x. No alignment is assumed.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

constexpr int64_t layer_norm_s8_widest = 32'768;

using LayerNormS8 = void(const int16_t* x, const float* gamma, const float* beta, int8_t* y,
                         int64_t rows, int64_t width, float eps) noexcept;

// Rows of the table, best first.
std::span<const KernelRow<LayerNormS8>> layer_norm_s8_kernels() noexcept;

ESPALIER_DECLARE_DOT_ISAS(LayerNormS8 layer_norm_s8;)
ESPALIER_DECLARE_CUDA(LayerNormS8 layer_norm_s8;)

}  // namespace espalier
