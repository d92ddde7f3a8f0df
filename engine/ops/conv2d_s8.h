#pragma once

#include "engine/ops/linear_s8.h"

namespace espalier {

// Where the windows of a convolution lie on codes.
struct WindowsS8 {
  int64_t stride = 1, padding = 0;
  int64_t border = 0;  // the code around the image: z_x, which means 0
};

// conv2d in whole numbers: `layer` is as linear_s8 has it, its weight [O, kh, kw, C].
// x s8 [B, H, W, C] -> s8 [B, OH, OW, O]: the exact sum, one f32 multiplication, rounding to
// nearest even, zero_point z_y, saturation. Where z_y is -128 no code means less than 0, so that a
// ReLU has nothing left to do. kh * kw * C is at most 65,793. Not differentiable.
Tensor conv2d_s8(const Tensor& x, const LinearS8& layer, const WindowsS8& windows,
                 int64_t zero_point);

}  // namespace espalier
