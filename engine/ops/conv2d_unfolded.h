// Convolution as one matrix product over the windows of many images (kernels/unfold): how a GPU
// convolves. In the terms of kernels/conv2d/conv2d.h, P is formed, some images at a time.
#pragma once

#include "engine/op.h"
#include "engine/ops/convolution.h"

namespace espalier {

// x [B, H, W, C], weight [O, kh, kw, C] and dy [B, out_height, out_width, O] are contiguous and of
// one dtype, f32 or f64; `bias` holds O values or is undefined. All run on the present device.
Tensor conv2d_unfolded(const Convolution& c, const Tensor& x, const Tensor& weight,
                       const Tensor& bias);
Tensor conv2d_input_gradient_unfolded(const Convolution& c, const Tensor& dy, const Tensor& weight);
void conv2d_weight_gradient_unfolded(const Convolution& c, const Tensor& x, const Tensor& dy,
                                     const InputGradients::Destination& to);
// The sums of dy over images and pixels.
void conv2d_bias_gradient_unfolded(const Convolution& c, const Tensor& dy,
                                   const InputGradients::Destination& to);

}  // namespace espalier
