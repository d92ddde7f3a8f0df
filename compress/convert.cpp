#include "compress/convert.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "compress/observers/min_max.h"
#include "engine/error.h"
#include "engine/ops/gelu.h"
#include "engine/ops/view.h"
#include "nn/int8_graph.h"

namespace espalier {
namespace {

constexpr const char* name_of_conversion = "convert_int8";

// code = round(x / scale) + zero_point
struct Codes {
  double scale = 1;
  int zero_point = 0;
};

// A range of no width still needs a scale: any serves.
double positive(double scale) { return scale > 0 ? scale : 1.0; }

Codes affine(const Range& range) {
  Codes codes;
  codes.scale = positive((range.high - range.low) / 255);
  codes.zero_point =
      static_cast<int>(std::clamp(std::nearbyint(-128 - range.low / codes.scale), -128.0, 127.0));
  return codes;
}

double symmetric(const Range& range, double codes) {
  return positive(std::max(-range.low, range.high) / codes);
}

double erf_gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double tanh_gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

// Below some input a GELU is as good as zero: finer codes for the rest are worth more than it.
Range without_dead_tail(Range range, const Codes& out, double (*gelu)(double)) {
  constexpr double dip = -0.7518;  // where GELU is least
  double low = range.low;
  while (low < 1.01 * dip && std::abs(gelu(low)) < out.scale / 2) low *= 0.99;
  range.low = std::max(range.low, std::min(low, dip));
  return range;
}

class Converter {
 public:
  Converter(const Graph& graph, const Observers& observers)
      : graph_(graph), observers_(observers), roles_(int8_roles(graph)) {}

  NamedTensors convert() {
    double largest = 0;
    for (int value : roles_.stream) largest = std::max(largest, symmetric(range(value), 32'767));
    stream_scale_ = static_cast<double>(static_cast<float>(largest));
    put("stream.scale", Tensor::of<float>({static_cast<float>(stream_scale_)}, {1}));
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      convert_node(graph_.nodes[n], roles_.of_node[n]);
    return std::move(out_);
  }

 private:
  const Observer& observer(int value) const {
    const auto& found = observers_.at(static_cast<size_t>(value));
    if (!found)
      argument_error(name_of_conversion, "observers", "none for a value of the graph",
                     "what calibrate() of the same graph returned", "");
    return *found;
  }
  Range range(int value) const { return observer(value).range(); }

  Tensor constant(const Graph::Node& node, size_t input) const {
    const Tensor& found = graph_.values[static_cast<size_t>(node.inputs[input])].constant;
    if (!found.defined())
      argument_error(name_of_conversion, node.op->name, "a weight that is computed", "a constant",
                     "");
    return contiguous(found.detach());
  }

  void put(const std::string& name, const Tensor& tensor) { out_.emplace_back(name, tensor); }

  void convert_node(const Graph::Node& node, Int8Role role) {
    switch (role) {
      case Int8Role::none:
      case Int8Role::absorbed:
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
        return convert_linear(node, stream_scales(node));
    }
  }

  void convert_layer_norm(const Graph::Node& node) {
    const Codes codes = codes_[node.output] = affine(range(node.output));
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
    put_codes(node.layer + ".", {codes.scale}, codes.zero_point);
  }

  // A weight's codes, and with them what the sums of the products must be multiplied by to be
  // codes of `scales`, one for each output channel.
  void convert_linear(const Graph::Node& node, const std::vector<double>& scales) {
    const Codes in = codes_.at(node.inputs[0]);
    const Tensor weight = constant(node, 1);
    const int64_t N = weight.size(0), K = weight.size(1);
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != Graph::absent;
    const Tensor bias = has_bias ? constant(node, 2) : Tensor::zeros({N});
    const Tensor codes = Tensor::empty({N, K}, DType::s8), offsets = Tensor::empty({N}, DType::s32);
    const Tensor multiplier = Tensor::empty({N});
    for (int64_t n = 0; n < N; ++n) {
      const float* row = weight.data<float>() + n * K;
      Range range;
      for (int64_t k = 0; k < K; ++k) {
        range.low = std::min(range.low, static_cast<double>(row[k]));
        range.high = std::max(range.high, static_cast<double>(row[k]));
      }
      const double scale = symmetric(range, 127);
      int64_t sum = 0;
      for (int64_t k = 0; k < K; ++k) {
        const double code = std::nearbyint(static_cast<double>(row[k]) / scale);
        codes.data<int8_t>()[n * K + k] = static_cast<int8_t>(code);
        sum += static_cast<int64_t>(code);
      }
      const double offset =
          std::nearbyint(static_cast<double>(bias.data<float>()[n]) / (in.scale * scale)) -
          static_cast<double>(in.zero_point * sum);
      constexpr double most = 1 << 30;
      offsets.data<int32_t>()[n] = static_cast<int32_t>(std::clamp(offset, -most, most));
      multiplier.data<float>()[n] =
          static_cast<float>(in.scale * scale / scales[static_cast<size_t>(n)]);
    }
    put(node.layer + ".weight", codes);
    put(node.layer + ".bias", offsets);
    put(node.layer + ".multiplier", multiplier);
  }

  int64_t width(const Graph::Node& node) const {
    return graph_.values[static_cast<size_t>(node.output)].shape.back().fixed;
  }

  std::vector<double> stream_scales(const Graph::Node& node) const {
    return std::vector<double>(static_cast<size_t>(width(node)), stream_scale_);
  }

  void put_codes(const std::string& prefix, const std::vector<double>& scales, int zero_point) {
    const auto count = static_cast<int64_t>(scales.size());
    put(prefix + "scale", Tensor::of(std::vector<float>(scales.begin(), scales.end()), {count}));
    put(prefix + "zero_point", Tensor::of<int32_t>({zero_point}, {1}));
  }

  // q, k and v, a third of the channels each.
  void convert_projection(const Graph::Node& node) {
    const int64_t third = width(node) / 3;
    std::vector<double> scales;
    for (int64_t part = 0; part < 3; ++part) {
      parts_[node.output][static_cast<size_t>(part)] =
          symmetric(observer(node.output).range(part * third, (part + 1) * third), 127);
      scales.insert(scales.end(), static_cast<size_t>(third),
                    parts_[node.output][static_cast<size_t>(part)]);
    }
    convert_linear(node, scales);
    const auto& [q, k, v] = parts_.at(node.output);
    put_codes(node.layer + ".", {q, k, v}, 0);
  }

  void convert_attention(const Graph::Node& node) {
    const auto& [q, k, v] = parts_.at(node.inputs[0]);
    const Codes out = codes_[node.output] = affine(range(node.output));
    const auto heads = static_cast<double>(attribute<BatchDim>(node, "heads").fixed);
    const double head_dim = static_cast<double>(width(node)) / heads;
    const double score = q * k / std::sqrt(head_dim) / std::log(2.0) * 256;
    put(node.layer + ".scales",
        Tensor::of<float>({static_cast<float>(score), static_cast<float>(v / out.scale)}, {2}));
    put(node.layer + ".zero_point", Tensor::of<int32_t>({out.zero_point}, {1}));
  }

  const Graph::Node& reader_of(int value) const {
    for (const Graph::Node& node : graph_.nodes)
      for (int input : node.inputs)
        if (input == value) return node;
    argument_error(name_of_conversion, "graph", "a value that nothing reads", "a GELU", "");
  }

  // The table maps a code of the GELU's input to the code of its output.
  void convert_gelu(const Graph::Node& node) {
    const Graph::Node& gelu = reader_of(node.output);
    const bool exact = std::string(attribute<const char*>(gelu, "form")) == "erf";
    const auto function = exact ? erf_gelu : tanh_gelu;
    const Codes out = codes_[gelu.output] = affine(range(gelu.output));
    const Codes in = affine(without_dead_tail(range(node.output), out, function));
    convert_linear(node, std::vector<double>(static_cast<size_t>(width(node)), in.scale));
    put_codes(node.layer + ".", {in.scale}, in.zero_point);
    put_codes(node.layer + ".table_", {out.scale}, out.zero_point);
    const Tensor table = Tensor::empty({256}, DType::s8);
    for (int code = -128; code < 128; ++code) {
      const double y = function((code - in.zero_point) * in.scale) / out.scale + out.zero_point;
      table.data<int8_t>()[code + 128] =
          static_cast<int8_t>(std::clamp(std::nearbyint(y), -128.0, 127.0));
    }
    put(node.layer + ".table", table);
  }

  const Graph& graph_;
  const Observers& observers_;
  const Int8Roles roles_;
  double stream_scale_ = 1;
  std::map<int, Codes> codes_;                  // of values that are codes
  std::map<int, std::array<double, 3>> parts_;  // scales of q, k and v
  NamedTensors out_;
};

}  // namespace

NamedTensors convert_int8(const Graph& graph, const Observers& observers) {
  return Converter(graph, observers).convert();
}

NamedTensors convert_int8(const Graph& graph, const Tensor& inputs) {
  return convert_int8(graph,
                      calibrate(graph, inputs, [] { return std::make_unique<MinMaxObserver>(); }));
}

}  // namespace espalier
