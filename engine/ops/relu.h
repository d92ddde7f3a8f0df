#pragma once

#include "engine/tensor.h"

namespace espalier {

// max(x, 0) for each element; NaN stays NaN. x: f32 or f64 of any shape; the result has its shape
// and dtype. Differentiable; the derivative at 0 is 0.
Tensor relu(const Tensor& x);

}  // namespace espalier
