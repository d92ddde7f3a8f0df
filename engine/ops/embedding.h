#pragma once

#include "engine/tensor.h"

namespace espalier {

// Row indices[...] of `weight` for each index. weight: f32 or f64 [V, D]; indices: s32 or s64 of
// any shape, each in [0, V); the result has the shape of `indices` followed by D, and the dtype of
// `weight`. Differentiable in `weight`: rows that repeat are summed in the order of `indices`.
Tensor embedding(const Tensor& indices, const Tensor& weight);

}  // namespace espalier
