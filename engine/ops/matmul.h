#pragma once

#include "engine/tensor.h"

namespace espalier {

// Matrix product of the last two dimensions: a [..., M, K] and b [..., K, N] give [..., M, N], the
// leading dimensions broadcast. f32 or f64, both of one dtype; transposed views are read in place.
// Differentiable.
Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace espalier
