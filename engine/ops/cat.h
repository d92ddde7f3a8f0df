#pragma once

#include <initializer_list>
#include <span>

#include "engine/tensor.h"

namespace espalier {

// The tensors one after another along `dim`. All have one dtype and agree in every other dimension.
// Differentiable.
Tensor cat(std::span<const Tensor> tensors, int64_t dim);
inline Tensor cat(std::initializer_list<Tensor> tensors, int64_t dim) {
  return cat(std::span(tensors.begin(), tensors.size()), dim);
}

}  // namespace espalier
