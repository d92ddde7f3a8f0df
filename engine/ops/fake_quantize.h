#pragma once

#include "engine/tensor.h"

namespace espalier {

// How fake_quantize() rounds.
struct FakeQuantize {
  // The codes' zero point and their ends, zero_point included in [low, high].
  int64_t zero_point = 0, low = -128, high = 127;
  // The dimension that scales stand along, counted from the end where negative.
  int axis = -1;
  // Multiplies the gradient of the scale: 1 / sqrt(elements * high) in LSQ (section 2.2 there), so
  // that scales and weights learn at like rates.
  double scale_gradient = 1;
  // s8 or s16 of x's shape: codes that integer kernels have computed. The result is then what they
  // stand for and x gives the gradient alone.
  Tensor codes{};
};

// Values as codes would hold them, round(x / scale) within the codes' ends, times scale, with
// gradients that pass through the rounding: for quantisation-aware training (Jacob et al., 2018,
// section 3). x: f32 or f64 [...]; scale: [S] of its dtype, positive, where S divides the size of
// `axis`: each S-th part of that dimension, in order, has a scale of its own. NaN becomes the
// lowest code. Differentiable: x gets the gradient where it rounds to a code that exists and 0
// elsewhere; scale gets LSQ's (Esser et al., 2020, equation 3).
Tensor fake_quantize(const Tensor& x, const Tensor& scale, const FakeQuantize& how = {});

}  // namespace espalier
