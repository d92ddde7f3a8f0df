#pragma once

#include <vector>

#include "engine/tensor.h"

namespace espalier {

// The tensors one after another along `dim`. All have one dtype and agree in every other dimension.
// Differentiable.
Tensor cat(const std::vector<Tensor>& tensors, int64_t dim);

}  // namespace espalier
