#pragma once

#include "engine/tensor.h"

namespace espalier {

// x converted to `dtype`; x itself where it has that dtype. Any pair of dtypes: rounding to nearest
// even between floating-point types, towards zero and saturating from them to integers, modulo 2^n
// between integers, "other than zero" to bool. Differentiable between floating-point dtypes.
Tensor to(const Tensor& x, DType dtype);

}  // namespace espalier
