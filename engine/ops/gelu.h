#pragma once

#include "engine/tensor.h"
#include "kernels/gelu/gelu.h"

namespace espalier {

// x Phi(x) (Hendrycks & Gimpel, arXiv 1606.08415), with Phi from erf or in its tanh approximation.
// x: f32 or f64, any shape; the result has its shape and dtype. Differentiable: backward keeps the
// derivative alone, which forward computes along the way.
Tensor gelu(const Tensor& x, GeluKind kind = GeluKind::erf);

}  // namespace espalier
