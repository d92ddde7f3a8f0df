// What layers in whole numbers share: linear_s8 and conv2d_s8, whose weight is a matrix with a row
// for each output channel.
#pragma once

#include "engine/onnx_writer.h"
#include "engine/ops/linear_s8.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace espalier {

// Values in one row of the weight.
inline int64_t depth_of(const Shape& weight) { return weight[0] ? weight.numel() / weight[0] : 0; }

// Argument errors in `op`'s name. The weight, of type s8, was checked for its dimensions.
void check_layer_s8(const char* op, const LinearS8& layer);
// No sum of `depth` products may push a bias of type s32 out of 32 bits. Of one on a GPU nothing is
// known.
void check_bias_s8(const char* op, const char* operand, const Tensor& bias, int64_t depth);
void check_code_s8(const char* op, const char* operand, int64_t code);

Tensor packed_weight_s8(const GemmS8Kernel& row, const Tensor& weight);

// The layer of operands [first, first + 4), x first, on the numbers that codes mean: its weights
// (with their dimensions in this order) and its bias stay whole, in scales found back from the
// multipliers. `scales` are s_y.
struct OnnxLayerS8 {
  OnnxName weights, bias;
};
OnnxLayerS8 onnx_layer_s8(OnnxWriter& w, int first, const std::vector<double>& scales,
                          const Shape& order);

}  // namespace espalier
