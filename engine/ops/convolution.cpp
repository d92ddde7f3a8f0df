#include "engine/ops/convolution.h"

#include <string>

#include "engine/error.h"

namespace espalier {

Convolution convolution(const Shape& x, const Shape& weight, int64_t stride, int64_t padding) {
  return {{x[1] + 2 * padding, x[2] + 2 * padding, x[3], weight[0], weight[1], weight[2], stride},
          x[0],
          padding,
          x,
          Precision::f32};
}

Convolution checked_convolution(const char* op, const Tensor& x, const Tensor& weight,
                                int64_t stride, int64_t padding) {
  if (x.rank() != 4) argument_error(op, "x", x.describe(), "[B, H, W, C]", "add a batch dimension");
  if (weight.rank() != 4 || weight.numel() == 0)
    argument_error(op, "weight", weight.describe(), "[O, kh, kw, C], none of them 0", "");
  if (weight.size(3) != x.size(3))
    argument_error(op, "weight", weight.describe(),
                   "the " + std::to_string(x.size(3)) + " channels of x in its last dimension",
                   "images are [B, H, W, C], weights [O, kh, kw, C]");
  if (stride < 1) argument_error(op, "stride", std::to_string(stride), "at least 1", "");
  if (padding < 0) argument_error(op, "padding", std::to_string(padding), "at least 0", "");
  const int64_t height = x.size(1) + 2 * padding, width = x.size(2) + 2 * padding;
  if (height < weight.size(1) || width < weight.size(2))
    argument_error(op, "x", x.describe(),
                   "a padded image at least as large as the weight " + weight.describe(),
                   "use more padding or a smaller kernel");
  return convolution(x.shape(), weight.shape(), stride, padding);
}

Shape onnx_conv2d_weight() { return {0, 3, 1, 2}; }

void onnx_conv2d(OnnxWriter& w, std::vector<OnnxName> inputs) {
  const Shape weight = w.fixed(w.in_shape(1));
  inputs[0] = w.transpose(inputs[0], {0, 3, 1, 2});
  const OnnxName y = w.add("Conv", inputs,
                           {{"kernel_shape", Shape{weight[1], weight[2]}},
                            {"strides", Shape::of_rank(2, w.integer("stride"))},
                            {"pads", Shape::of_rank(4, w.integer("padding"))}});
  w.out("Transpose", {y}, {{"perm", Shape{0, 2, 3, 1}}});
}

}  // namespace espalier
