#pragma once

#include "engine/tensor.h"

namespace espalier {

// Element-wise functions of one variable. x: f32 or f64, any shape; the result has its shape and
// dtype. All are differentiable (abs with slope 0 at 0); sqrt, rsqrt and log of a negative number
// are NaN.
Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);  // 1 / sqrt(x)
Tensor reciprocal(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);  // 1 / (1 + exp(-x))

inline Tensor operator-(const Tensor& x) { return neg(x); }

}  // namespace espalier
