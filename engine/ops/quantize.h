#pragma once

#include "engine/tensor.h"

namespace espalier {

// What codes stand for: (code - zero_point) * scale. A scale of 0 where nobody told.
struct Affine {
  double scale = 0;
  int64_t zero_point = 0;
};

// x / scale + zero_point in whole numbers, rounded to nearest even and saturated (Jacob et al.,
// 2018, equation 1): x f32, the result s8 or s16 as `dtype` says. The scale is positive, the zero
// point a value of that type. Not differentiable.
Tensor quantize(const Tensor& x, double scale, int64_t zero_point, DType dtype);

// (x - zero_point) * scale as f32: x s8 or s16. Not differentiable.
Tensor dequantize(const Tensor& x, double scale, int64_t zero_point);

}  // namespace espalier
