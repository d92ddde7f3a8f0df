// Element-wise arithmetic of two tensors, broadcast by NumPy's rules.
#pragma once

#include "engine/tensor.h"

namespace espalier {

// a and b: f32 or f64, of one dtype, with shapes that broadcast. Differentiable in both. Where
// maximum or minimum meets equal values, each operand gets half the gradient.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }

// The same with a number in place of a tensor.
Tensor add(const Tensor& a, double b);
Tensor mul(const Tensor& a, double b);

}  // namespace espalier
