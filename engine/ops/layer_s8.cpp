#include "engine/ops/layer_s8.h"

#include <cstdlib>
#include <limits>
#include <numeric>
#include <string>

#include "engine/error.h"
#include "engine/ops/view.h"

namespace espalier {

void check_bias_s8(const char* op, const char* operand, const Tensor& bias, int64_t depth) {
  if (bias.device().on_gpu()) return;
  constexpr int64_t largest_product = 128 * 255;
  const int64_t most = std::numeric_limits<int32_t>::max() - depth * largest_product;
  const Tensor values = contiguous(bias);
  for (int64_t i = 0; i < values.numel(); ++i)
    if (const int64_t value = values.data<int32_t>()[i]; std::abs(value) > most)
      argument_error(op, operand, std::to_string(value),
                     "at most " + std::to_string(most) + " in magnitude",
                     "its sums would leave 32 bits");
}

void check_layer_s8(const char* op, const LinearS8& layer) {
  const int64_t K = depth_of(layer.weight.shape());
  if (K > gemm_s8_longest_k)
    argument_error(op, "weight", layer.weight.describe(),
                   "at most " + std::to_string(gemm_s8_longest_k) + " values a channel",
                   "longer sums leave 32 bits");
  const Shape channels{layer.weight.size(0)};
  check_dtype(op, "bias", layer.bias, DType::s32);
  check_shape(op, "bias", layer.bias, channels);
  check_bias_s8(op, "bias", layer.bias, K);
  check_dtype(op, "multiplier", layer.multiplier, DType::f32);
  check_shape(op, "multiplier", layer.multiplier, channels);
  if (!layer.scale.defined()) return;
  check_dtype(op, "scale", layer.scale, DType::f32);
  if (layer.scale.rank() != 1 || layer.scale.numel() == 0 || channels[0] % layer.scale.numel() != 0)
    argument_error(
        op, "scale", layer.scale.describe(),
        "one, or one for each of equal parts of " + std::to_string(channels[0]) + " channels", "");
}

void check_code_s8(const char* op, const char* operand, int64_t code) {
  if (code < -128 || code > 127)
    argument_error(op, operand, std::to_string(code), "-128 to 127", "");
}

Tensor packed_weight_s8(const GemmS8Kernel& row, const Tensor& weight) {
  const int64_t N = weight.size(0), K = depth_of(weight.shape());
  const Tensor packed = Tensor::empty({row.packed_size(K, N)}, DType::u8);
  row.pack_b(weight.data<int8_t>(), 1, K, K, N, packed.bytes());
  return packed;
}

OnnxLayerS8 onnx_layer_s8(OnnxWriter& w, int first, const std::vector<double>& scales,
                          const Shape& order) {
  const OnnxCodes& x = w.codes(first);
  const Tensor weight = w.constant(first + 1), multiplier = w.constant(first + 3);
  const Tensor bias = w.constant(first + 2), whole_bias = Tensor::empty(bias.shape(), DType::s32);
  const int64_t N = weight.size(0), K = depth_of(weight.shape());
  const Tensor weight_scale = Tensor::empty({N}), bias_scale = Tensor::empty({N});
  for (int64_t n = 0; n < N; ++n) {
    const size_t part = static_cast<size_t>(n) * scales.size() / static_cast<size_t>(N);
    const double scale = static_cast<double>(multiplier.data<float>()[n]) * scales[part];
    bias_scale.data<float>()[n] = static_cast<float>(scale);
    weight_scale.data<float>()[n] = static_cast<float>(scale / x.scales[0]);
    const int8_t* row = weight.data<int8_t>() + n * K;
    whole_bias.data<int32_t>()[n] = static_cast<int32_t>(
        bias.data<int32_t>()[n] + x.zero_point * std::accumulate(row, row + K, int64_t{0}));
  }
  int64_t axis = 0;
  while (order[static_cast<int>(axis)] != 0) ++axis;
  const OnnxName weights =
      w.add("DequantizeLinear",
            {w.in_permuted(first + 1, order), w.in_place_of(first + 1, weight_scale, "_scale"),
             w.in_place_of(first + 1, Tensor::zeros({N}, DType::s8), "_zero_point")},
            {{"axis", axis}});
  return {weights, w.add("DequantizeLinear",
                         {w.in_place_of(first + 2, whole_bias),
                          w.in_place_of(first + 2, bias_scale, "_scale")},
                         {{"axis", int64_t{0}}})};
}

}  // namespace espalier
