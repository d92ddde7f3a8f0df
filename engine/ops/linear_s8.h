#pragma once

#include "engine/ops/quantize.h"

namespace espalier {

// A linear layer in whole numbers. With scales s and zero points z of its input x and output y,
// and a scale s_w for each output channel:
struct LinearS8 {
  Tensor weight;      // s8 [out, in]: W / s_w, in [-127, 127]
  Tensor bias;        // s32 [out]: b / (s_x s_w) - z_x * the sum of the channel's weights
  Tensor multiplier;  // f32 [out]: s_x s_w / s_y
  // f32 [parts]: s_y, one for all or one for each of equal parts of the channels. Undefined where
  // nobody told: other engines want it, the arithmetic has it folded in.
  Tensor scale{};
};

// Replaces each code c by codes[c + 128], which makes any function of one value exact.
struct TableS8 {
  Tensor codes{};  // s8 [256], or undefined: none
  // For other engines: a GELU, "erf" or "tanh", and what its codes mean.
  const char* gelu = "";
  Affine result{};
};

// (Jacob et al., 2018, equation 7) x s8 [..., in] -> s8 [..., out]: the exact sum, one f32
// multiplication, rounding to nearest even, zero_point z_y, saturation, then the table. in is at
// most 65,793. Not differentiable.
Tensor linear_s8(const Tensor& x, const LinearS8& layer, int64_t zero_point,
                 const TableS8& table = {});

// residual s16 [..., out] + the layer's result at the scale of the residual, saturated. The layer
// needs no `scale`.
Tensor add_linear_s8(const Tensor& residual, const Tensor& x, const LinearS8& layer);

}  // namespace espalier
