#pragma once

#include "engine/tensor.h"

namespace espalier {

// The maximum of each `kernel` x `kernel` window, one every `stride` pixels, over an image padded
// by `padding` pixels that never win. x: f32, f64 or codes s8 [B, H, W, C]; the result is [B, OH,
// OW, C] with OH = (H + 2 * padding - kernel) / stride + 1, rounded down. 1 <= kernel <= 16, 2 *
// padding <= kernel. The first of equal values wins; a NaN wins over numbers. Differentiable, but
// for codes.
Tensor max_pool2d(const Tensor& x, int64_t kernel, int64_t stride, int64_t padding = 0);

}  // namespace espalier
