#pragma once

#include "engine/tensor.h"

namespace espalier {

// Both draw from current_generator() (engine/random.h): one position an element for dropout, one a
// sample for drop_path. So what is dropped depends on the generator's place, never on threads. What
// is kept is scaled by 1 / (1 - p). x: f32 or f64; 0 <= p < 1. With `training` false or p = 0 the
// result is x itself and nothing is drawn. Differentiable.

// Each element is zero with probability p (Srivastava et al., JMLR 15, 2014). Any shape.
Tensor dropout(const Tensor& x, double p, bool training);
// Each sample of the first dimension is zero with probability p (stochastic depth: Huang et al.,
// arXiv 1603.09382). Rank >= 1.
Tensor drop_path(const Tensor& x, double p, bool training);

}  // namespace espalier
