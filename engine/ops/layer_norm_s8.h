#pragma once

#include "engine/ops/quantize.h"

namespace espalier {

// Layer normalisation over the last dimension (Ba et al., 2016, equation 4) of a wide integer
// stream: x s16 [..., D] -> s8 [..., D], D at most 32,768. weight and bias (f32 [D]) have been
// divided by the scale of the result, bias holds its zero point too, and eps > 0 has been divided
// by the square of the scale of x. Sums are exact; kernels/layer_norm_s8 says the rest. `codes`
// tells other engines what the result means; the arithmetic has it folded in. Not differentiable.
Tensor layer_norm_s8(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                     const Affine& codes = {});

}  // namespace espalier
