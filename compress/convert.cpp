#include "compress/convert.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "compress/codes.h"
#include "compress/gelu_forms.h"
#include "compress/observers/min_max.h"
#include "engine/error.h"
#include "engine/ops/view.h"
#include "nn/int8_roles.h"

namespace espalier {
namespace {

constexpr const char* name_of_conversion = "convert_int8";

class Converter {
 public:
  Converter(const Graph& graph, const Int8Scales& scales)
      : graph_(graph), scales_(scales), roles_(int8_roles(graph, scales.kept)) {}

  NamedTensors convert() {
    put("stream.scale", scales_.scale("stream.scale"));
    if (roles_.tokens != Graph::absent) codes_[graph_.input] = put_codes("input.");
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      convert_node(graph_.nodes[n], roles_.of_node[n]);
    return std::move(out_);
  }

 private:
  Tensor constant(const Graph::Node& node, size_t input) const {
    const Tensor& found = graph_.values[static_cast<size_t>(node.inputs[input])].constant;
    if (!found.defined())
      argument_error(name_of_conversion, node.op->name, "a weight that is computed", "a constant",
                     "");
    return contiguous(found.detach());
  }

  void put(const std::string& name, const Tensor& tensor) { out_.emplace_back(name, tensor); }

  double scale(const std::string& name, int64_t i = 0) const {
    return static_cast<double>(scales_.scale(name).data<float>()[i]);
  }

  // What stands under "<prefix>scale" and "<prefix>zero_point", written as it is.
  Codes put_codes(const std::string& prefix) {
    put(prefix + "scale", scales_.scale(prefix + "scale"));
    return {scale(prefix + "scale"), put_zero_point(prefix)};
  }
  int put_zero_point(const std::string& prefix) {
    const auto zero_point = static_cast<int>(scales_.zero_point(prefix + "zero_point"));
    put(prefix + "zero_point", Tensor::of<int32_t>({zero_point}, {1}));
    return zero_point;
  }

  void convert_node(const Graph::Node& node, Int8Role role) {
    switch (role) {
      case Int8Role::none:
      case Int8Role::absorbed:
        return;
      case Int8Role::conv:
        return convert_conv(node);
      case Int8Role::pool:
        codes_[node.output] = codes_.at(node.inputs[0]);
        return;
      case Int8Role::layer_norm:
        return convert_layer_norm(node);
      case Int8Role::attention:
        return convert_attention(node);
      case Int8Role::linear:
        return convert_projection(node);
      case Int8Role::linear_gelu:
        return convert_gelu(node);
      case Int8Role::add_linear:
        return convert_linear(
            node, std::vector<double>(static_cast<size_t>(width(node)), scale("stream.scale")));
    }
  }

  void convert_layer_norm(const Graph::Node& node) {
    const Codes codes = codes_[node.output] = put_codes(node.layer + ".");
    const Tensor weight = constant(node, 1), bias = constant(node, 2);
    const Tensor gamma = Tensor::empty(weight.shape()), beta = Tensor::empty(bias.shape());
    for (int64_t i = 0; i < weight.numel(); ++i) {
      gamma.data<float>()[i] =
          static_cast<float>(static_cast<double>(weight.data<float>()[i]) / codes.scale);
      beta.data<float>()[i] = static_cast<float>(
          static_cast<double>(bias.data<float>()[i]) / codes.scale + codes.zero_point);
    }
    put(node.layer + ".weight", gamma);
    put(node.layer + ".bias", beta);
  }

  void convert_conv(const Graph::Node& node) {
    const Codes codes = codes_[roles_.result_of(graph_, node)] = put_codes(node.layer + ".");
    convert_linear(node, std::vector<double>(static_cast<size_t>(width(node)), codes.scale));
  }

  // A weight's codes, and with them what the sums of the products must be multiplied by to be
  // codes of `scales`, one for each output channel.
  void convert_linear(const Graph::Node& node, const std::vector<double>& scales) {
    const Codes in = codes_.at(node.inputs[0]);
    const WeightCodes weight = weight_codes(constant(node, 1));
    const int64_t N = weight.codes.size(0), K = weight.codes.numel() / N;
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != Graph::absent;
    const Tensor bias = has_bias ? constant(node, 2) : Tensor::zeros({N});
    const Tensor offsets = Tensor::empty({N}, DType::s32), multiplier = Tensor::empty({N});
    for (int64_t n = 0; n < N; ++n) {
      const double scale = in.scale * static_cast<double>(weight.scale.data<float>()[n]);
      int64_t sum = 0;
      for (int64_t k = 0; k < K; ++k) sum += weight.codes.data<int8_t>()[n * K + k];
      const double offset = std::nearbyint(static_cast<double>(bias.data<float>()[n]) / scale) -
                            static_cast<double>(in.zero_point * sum);
      constexpr double most = 1 << 30;
      offsets.data<int32_t>()[n] = static_cast<int32_t>(std::clamp(offset, -most, most));
      multiplier.data<float>()[n] = static_cast<float>(scale / scales[static_cast<size_t>(n)]);
    }
    put(node.layer + ".weight", weight.codes);
    put(node.layer + ".bias", offsets);
    put(node.layer + ".multiplier", multiplier);
  }

  int64_t width(const Graph::Node& node) const {
    return graph_.values[static_cast<size_t>(node.output)].shape.back().fixed;
  }

  // q, k and v, a third of the channels each.
  void convert_projection(const Graph::Node& node) {
    const std::string name = node.layer + ".scale";
    std::vector<double> scales;
    for (int64_t part = 0; part < 3; ++part)
      scales.insert(scales.end(), static_cast<size_t>(width(node) / 3), scale(name, part));
    convert_linear(node, scales);
    put(name, scales_.scale(name));
    put_zero_point(node.layer + ".");
  }

  void convert_attention(const Graph::Node& node) {
    const Graph::Value& projected = graph_.values[static_cast<size_t>(node.inputs[0])];
    const std::string parts =
        graph_.nodes[static_cast<size_t>(projected.producer)].layer + ".scale";
    const double q = scale(parts, 0), k = scale(parts, 1), v = scale(parts, 2);
    const Codes out =
        codes_[node.output] = {scale(node.layer + ".scale"), put_zero_point(node.layer + ".")};
    const double score = q * k * attribute<double>(node, "scale") / std::log(2.0) * 256;
    put(node.layer + ".scales",
        Tensor::of<float>({static_cast<float>(score), static_cast<float>(v / out.scale)}, {2}));
  }

  // The table maps a code of the GELU's input to the code of its output.
  void convert_gelu(const Graph::Node& node) {
    const Graph::Node& gelu = reader_of(graph_, node.output);
    const auto function = gelu_of(gelu);
    const Codes out = codes_[gelu.output] = put_codes(node.layer + ".table_");
    const Codes in = put_codes(node.layer + ".");
    convert_linear(node, std::vector<double>(static_cast<size_t>(width(node)), in.scale));
    const Tensor table = Tensor::empty({256}, DType::s8);
    for (int code = -128; code < 128; ++code) {
      const double x = static_cast<double>(code - in.zero_point) * in.scale;
      const double y = function(x) / out.scale + out.zero_point;
      table.data<int8_t>()[code + 128] =
          static_cast<int8_t>(std::clamp(std::nearbyint(y), -128.0, 127.0));
    }
    put(node.layer + ".table", table);
  }

  const Graph& graph_;
  const Int8Scales& scales_;
  const Int8Roles roles_;
  std::map<int, Codes> codes_;  // of values that are codes
  NamedTensors out_;
};

}  // namespace

Tensor weight_scale(const Tensor& weight, float codes) {
  check_dtype("weight_codes", "weight", weight, DType::f32);
  check_min_rank("weight_codes", "weight", weight, 2);
  const Tensor w = contiguous(weight.detach());
  const int64_t N = w.size(0), K = N ? w.numel() / N : 0;
  const Tensor scale = Tensor::empty({N});
  for (int64_t n = 0; n < N; ++n) {
    float largest = 0;
    for (int64_t i = n * K; i < (n + 1) * K; ++i) {
      const float magnitude = std::abs(w.data<float>()[i]);
      if (!std::isfinite(magnitude))
        throw Error(ErrorKind::numeric, "a weight is " + std::to_string(w.data<float>()[i]) +
                                            "; expected finite numbers; is the model trained?");
      largest = std::max(largest, magnitude);
    }
    // What no float can divide by rounds to zero anyway.
    scale.data<float>()[n] = std::isfinite(codes / largest) ? largest / codes : 1.0f;
  }
  return scale;
}

WeightCodes weight_codes(const Tensor& weight) {
  const WeightCodes out{Tensor::empty(weight.shape(), DType::s8), weight_scale(weight)};
  const Tensor w = contiguous(weight.detach());
  const int64_t N = w.size(0), K = N ? w.numel() / N : 0;
  for (int64_t i = 0; i < w.numel(); ++i) {
    const auto scale = static_cast<double>(out.scale.data<float>()[i / K]);
    const double code = std::nearbyint(static_cast<double>(w.data<float>()[i]) / scale);
    out.codes.data<int8_t>()[i] = static_cast<int8_t>(std::clamp(code, -127.0, 127.0));
  }
  return out;
}

NamedTensors convert_int8(const Graph& graph, const Int8Scales& scales) {
  return Converter(graph, scales).convert();
}

NamedTensors convert_int8(const Graph& graph, const Observers& observers) {
  return convert_int8(graph, choose_int8_scales(graph, observers));
}

NamedTensors convert_int8(const Graph& graph, const Tensor& inputs) {
  return convert_int8(graph,
                      calibrate(graph, inputs, [] { return std::make_unique<MinMaxObserver>(); }));
}

}  // namespace espalier
