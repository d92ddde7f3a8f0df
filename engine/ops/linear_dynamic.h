#pragma once

#include "engine/tensor.h"

namespace espalier {

// y = x W^T + bias by whole numbers, W = codes * scales: x f32 [..., in] -> f32 [..., out], codes
// s8 [out, in], scales f32 [out, 1], finite and positive, bias f32 [out] or undefined; in is at
// most 65,793. Each row of x is rounded to codes of its own scale, max |x| / 127, to nearest even
// (a row below 1e-36 throughout to zeros); the sums are exact, then
//
//   y = float(sum) * scale of the channel * scale of the row + bias
//
// A row that holds NaN or an infinity gives NaN. Nothing is calibrated, no row depends on another,
// and the bits are the same on every instruction set and on a GPU. Not differentiable.
Tensor linear_dynamic(const Tensor& x, const Tensor& codes, const Tensor& scales,
                      const Tensor& bias = {});

}  // namespace espalier
