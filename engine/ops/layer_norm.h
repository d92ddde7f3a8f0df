#pragma once

#include "engine/tensor.h"

namespace espalier {

// Layer normalisation (Ba, Kiros & Hinton, arXiv 1607.06450) over the last dimension D:
// (x - mean) / sqrt(variance + eps) * weight + bias, with the biased variance. x: f32 or f64 of
// rank >= 1; weight and bias: [D] of its dtype; eps >= 0. Differentiable in all three.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5);

}  // namespace espalier
