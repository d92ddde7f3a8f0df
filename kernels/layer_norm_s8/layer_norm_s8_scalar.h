// One row behind its sums, as the scalar row and a GPU compute it.
#pragma once

#include "kernels/layer_norm_s8/layer_norm_s8.h"
#include "kernels/round_within.h"

namespace espalier {

struct LayerNormS8Row {
  float rstd, shift;

  // Of the sum of a row's values and that of their squares.
  ESPALIER_ANYWHERE LayerNormS8Row(int64_t sum, int64_t squares, int64_t width,
                                   float eps) noexcept {
    const int64_t variance = width * squares - sum * sum;
    rstd = 1 / std::sqrt(static_cast<float>(variance) / static_cast<float>(width * width) + eps);
    shift = -(static_cast<float>(sum) / static_cast<float>(width)) * rstd;
  }
  ESPALIER_ANYWHERE int8_t code(int16_t x, float gamma, float beta) const noexcept {
    const float normalised = std::fma(static_cast<float>(x), rstd, shift);
    return static_cast<int8_t>(round_within(std::fma(normalised, gamma, beta), -128.0f, 127.0f));
  }
};

}  // namespace espalier
