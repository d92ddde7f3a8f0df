#pragma once

#include "engine/tensor.h"

namespace espalier {

// x weight^T + bias over the last dimension: x [..., in], weight [out, in], bias [out] or
// undefined; the result is [..., out]. f32 or f64, all of one dtype. Differentiable in all three.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = Tensor());

// The same for operations that record a call of their own. Operands are contiguous and were
// checked: x and weight for their dimensions and dtypes, bias too if it is defined.
Tensor linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace espalier
