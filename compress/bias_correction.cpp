#include "compress/bias_correction.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "compress/calibrate.h"
#include "engine/error.h"
#include "engine/ops/view.h"
#include "nn/int8_graph.h"

namespace espalier {
namespace {

constexpr const char* name_of_correction = "correct_biases";

// The mean of each channel, the last dimension, over everything before it.
class ChannelMean {
 public:
  void add(const Tensor& x) {
    const Tensor values = contiguous(x);
    x.dtype() == DType::s8 ? add(values.data<int8_t>(), values) : add(values.data<float>(), values);
  }
  double operator[](int64_t channel) const {
    return sums_[static_cast<size_t>(channel)] / static_cast<double>(rows_);
  }

 private:
  template <class T>
  void add(const T* at, const Tensor& x) {
    sums_.resize(static_cast<size_t>(x.shape().back()));
    const int64_t rows = x.numel() / x.shape().back();
    for (int64_t row = 0; row < rows; ++row)
      for (double& sum : sums_) sum += static_cast<double>(*at++);
    rows_ += rows;
  }

  std::vector<double> sums_;
  int64_t rows_ = 0;
};

// The codes that the linear of that layer multiplies: its only s8 operand that is computed.
int codes_into(const Graph& graph, const std::string& layer) {
  for (const Graph::Node& node : graph.nodes)
    for (int input : node.inputs)
      if (node.layer == layer && input != Graph::absent) {
        const Graph::Value& value = graph.values[static_cast<size_t>(input)];
        if (value.dtype == DType::s8 && !value.constant.defined()) return input;
      }
  argument_error(name_of_correction, "graph", "no codes into layer '" + layer + "'", "some", "");
}

ChannelMean mean_of(Graph graph, int value, const Tensor& inputs) {
  const int producer = graph.values[static_cast<size_t>(value)].producer;
  graph.nodes.resize(static_cast<size_t>(producer) + 1);
  graph.output = value;
  ChannelMean mean;
  run_watched(graph, inputs, [&](int of, const Tensor& x) {
    if (of == value) mean.add(x);
  });
  return mean;
}

class Corrector {
 public:
  Corrector(const Graph& graph, const NamedTensors& parameters, const Tensor& inputs)
      : graph_(graph),
        roles_(int8_roles_of(graph, parameters)),
        parameters_(parameters),
        inputs_(inputs) {}

  NamedTensors correct() {
    std::map<int, ChannelMean> means;  // of what the fp32 layers read
    each_linear([&](const Graph::Node& node, Int8Role) { means[node.inputs[0]]; });
    run_watched(graph_, inputs_, [&](int value, const Tensor& x) {
      const auto found = means.find(value);
      if (found != means.end()) found->second.add(x);
    });
    each_linear([&](const Graph::Node& node, Int8Role role) {
      correct(node, role, means.at(node.inputs[0]));
    });
    return std::move(parameters_);
  }

 private:
  template <class F>
  void each_linear(F f) const {
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      if (is_linear(roles_.of_node[n])) f(graph_.nodes[n], roles_.of_node[n]);
  }

  Tensor& parameter(const std::string& name) {
    for (auto& [other, tensor] : parameters_)
      if (other == name) return tensor;
    argument_error(name_of_correction, "parameters", "no '" + name + "'", "one",
                   "give what convert_int8() returned");
  }

  Tensor constant(const Graph::Node& node, size_t input) const {
    if (input >= node.inputs.size() || node.inputs[input] == Graph::absent) return Tensor();
    return contiguous(graph_.values[static_cast<size_t>(node.inputs[input])].constant.detach());
  }

  void correct(const Graph::Node& node, Int8Role role, const ChannelMean& mean) {
    const Graph in_integers = int8_graph(graph_, parameters_);
    const ChannelMean codes = mean_of(in_integers, codes_into(in_integers, node.layer), inputs_);
    const Tensor weight = constant(node, 1), bias = constant(node, 2);
    const Tensor coded = parameter(node.layer + ".weight");
    const Tensor multiplier = parameter(node.layer + ".multiplier");
    const Tensor scales =
        parameter(role == Int8Role::add_linear ? "stream.scale" : node.layer + ".scale");
    const int64_t N = weight.size(0), K = weight.size(1), part = N / scales.numel();
    const Tensor offsets = Tensor::empty({N}, DType::s32);
    for (int64_t n = 0; n < N; ++n) {
      double expected = bias.defined() ? static_cast<double>(bias.data<float>()[n]) : 0, sums = 0;
      for (int64_t k = 0; k < K; ++k) {
        expected += static_cast<double>(weight.data<float>()[n * K + k]) * mean[k];
        sums += static_cast<double>(coded.data<int8_t>()[n * K + k]) * codes[k];
      }
      const double unit = static_cast<double>(multiplier.data<float>()[n]) *
                          static_cast<double>(scales.data<float>()[n / part]);
      constexpr double most = 1 << 30;
      offsets.data<int32_t>()[n] =
          static_cast<int32_t>(std::clamp(std::nearbyint(expected / unit - sums), -most, most));
    }
    parameter(node.layer + ".bias") = offsets;
  }

  const Graph& graph_;
  const Int8Roles roles_;
  NamedTensors parameters_;
  const Tensor inputs_;
};

}  // namespace

NamedTensors correct_biases(const Graph& graph, const NamedTensors& parameters,
                            const Tensor& inputs) {
  return Corrector(graph, parameters, inputs).correct();
}

}  // namespace espalier
