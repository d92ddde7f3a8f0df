#pragma once

#include "engine/tensor.h"

namespace espalier {

// y[b, i, j, o] = bias[o] + sum over (u, v, c) of
//                 x[b, i*stride - padding + u, j*stride - padding + v, c] * weight[o, u, v, c]
// with zeros around the image. x: f32 or f64 [B, H, W, C]; weight: [O, kh, kw, C]; bias: [O], or
// undefined for none; all of one dtype. The result is [B, OH, OW, O] with
// OH = (H + 2 * padding - kh) / stride + 1, rounded down. Differentiable in x, weight and bias.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride = 1,
              int64_t padding = 0);

}  // namespace espalier
