#pragma once

#include "engine/tensor.h"

namespace espalier {

// Reductions of x (f32 or f64) over the dimensions `dims`, which disappear, or stay with size 1
// where `keepdim`. Without `dims`: over all of them. Additions follow one fixed tree, so results do
// not depend on threads or instruction set (the scalar row apart). Differentiable; amax and amin
// split the gradient evenly among equal extremes, and are NaN where any element is. mean, amax and
// amin of no elements are an argument error; sum of none is 0.
Tensor sum(const Tensor& x, const Shape& dims, bool keepdim = false);
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x, const Shape& dims, bool keepdim = false);
Tensor mean(const Tensor& x);
Tensor amax(const Tensor& x, const Shape& dims, bool keepdim = false);
Tensor amax(const Tensor& x);
Tensor amin(const Tensor& x, const Shape& dims, bool keepdim = false);
Tensor amin(const Tensor& x);

// Where along `dim` the largest element stands (the first of equals; a NaN counts as largest): s64.
Tensor argmax(const Tensor& x, int64_t dim = -1, bool keepdim = false);

}  // namespace espalier
