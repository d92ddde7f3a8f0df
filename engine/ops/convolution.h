// One call of a convolution: its shape, and what is asked of its operands whatever their type.
#pragma once

#include "engine/onnx_writer.h"
#include "engine/precision.h"
#include "engine/tensor.h"
#include "kernels/conv2d/conv2d.h"

namespace espalier {

// `shape` is that of an image with its border.
struct Convolution {
  Conv2dShape shape;
  int64_t images, padding;
  Shape in_shape;
  Precision precision = Precision::f32;

  int64_t in_size() const { return in_shape[1] * in_shape[2] * in_shape[3]; }
  Shape out_shape() const {
    return {images, shape.out_height(), shape.out_width(), shape.out_channels};
  }
};

// x [B, H, W, C], weight [O, kh, kw, C].
Convolution convolution(const Shape& x, const Shape& weight, int64_t stride, int64_t padding);

// The same of operands that are defined; argument errors in `op`'s name.
Convolution checked_convolution(const char* op, const Tensor& x, const Tensor& weight,
                                int64_t stride, int64_t padding);

// Ours are images and weights with channels last; ONNX's have them in front. `inputs`: x as ours,
// the weight in ONNX's order, and a bias where there is one. Makes the operation's output.
Shape onnx_conv2d_weight();
void onnx_conv2d(OnnxWriter& w, std::vector<OnnxName> inputs);

}  // namespace espalier
