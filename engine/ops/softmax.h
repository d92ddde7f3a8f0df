#pragma once

#include "engine/tensor.h"

namespace espalier {

// exp(x) / sum(exp(x)) along `dim`, computed after subtracting the maximum. x: f32 or f64, any
// shape of rank >= 1; the result has its shape and dtype. Differentiable.
Tensor softmax(const Tensor& x, int64_t dim = -1);

}  // namespace espalier
