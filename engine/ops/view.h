// Views: the same memory seen with another shape or other strides. All are differentiable.
#pragma once

#include "engine/tensor.h"

namespace espalier {

// x itself when it is row-major already, otherwise a row-major copy.
Tensor contiguous(const Tensor& x);
// The same elements in row-major order under another shape; one dimension may be -1 and is worked
// out. A view where x is contiguous, otherwise a copy.
Tensor reshape(const Tensor& x, const Shape& shape);
// Dimension i of the result is dimension dims[i] of x; dims is a permutation.
Tensor permute(const Tensor& x, const Shape& dims);
Tensor transpose(const Tensor& x, int64_t a, int64_t b);
// Elements [start, end) along `dim`; negative bounds count from the end.
Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t end);
// Element `index` along `dim`, which disappears.
Tensor select(const Tensor& x, int64_t dim, int64_t index);
// A new dimension of size 1 before `dim`; `dim` may be rank, for the end.
Tensor unsqueeze(const Tensor& x, int64_t dim);
// Without dimension `dim`, which must have size 1.
Tensor squeeze(const Tensor& x, int64_t dim);
// Dimensions `start` to the last merged into one.
Tensor flatten(const Tensor& x, int64_t start = 0);

}  // namespace espalier
