// Broadcasting and its adjoint: each is the other's derivative.
#pragma once

#include "engine/tensor.h"

namespace espalier {

// x seen with `shape`, which it must broadcast to (NumPy's rules); no memory is copied.
Tensor expand(const Tensor& x, const Shape& shape);

// The sum of x over the dimensions that broadcasting `shape` to x's shape repeats; of shape
// `shape`. x: f32 or f64. Added as sum() adds, so the result does not depend on threads.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace espalier
