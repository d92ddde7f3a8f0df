// Biases in whole numbers: what a layer gives on average is what it gave in fp32.
#include "compress/bias_correction.h"

#include <cmath>

#include "compress/calibrate.h"
#include "nn/int8_graph.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

const Tensor& named(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [other, tensor] : tensors)
    if (other == name) return tensor;
  FAIL("no ", name);
  return tensors.front().second;
}

Tensor& named(NamedTensors& tensors, const std::string& name) {
  return const_cast<Tensor&>(named(static_cast<const NamedTensors&>(tensors), name));
}

// Fresh layers have no bias to speak of.
void give_biases(Int8Model& m) {
  unsigned seed = 11;
  for (const auto& [name, parameter] : m.model.state_dict())
    if (contains(name, ".bias"))
      parameter.copy_(random_tensor(parameter.shape(), ++seed, DType::f32));
  m.parameters = convert_int8(m.graph, m.images);
}

// The mean of each channel over everything else of the value that `wanted` picks.
std::vector<double> means(const Graph& graph, const Tensor& inputs, int wanted) {
  std::vector<double> sums;
  double rows = 0;
  run_watched(graph, inputs, [&](int value, const Tensor& x) {
    if (value != wanted) return;
    const std::vector<double> values = x.to_vector();
    sums.resize(static_cast<size_t>(x.shape().back()));
    for (size_t i = 0; i < values.size(); ++i) sums[i % sums.size()] += values[i];
    rows += static_cast<double>(values.size() / sums.size());
  });
  for (double& sum : sums) sum /= rows;
  return sums;
}

// What a linear layer in whole numbers gives on average, before rounding: its sums' mean by their
// unit.
struct IntegerLayer {
  std::vector<double> outputs, units;

  IntegerLayer(const Graph& graph, const NamedTensors& parameters, const Tensor& inputs,
               const std::string& layer) {
    int codes = Graph::absent;
    for (const Graph::Node& node : graph.nodes)
      if (node.layer == layer)
        for (int input : node.inputs)
          if (input != Graph::absent) {
            const Graph::Value& value = graph.values[static_cast<size_t>(input)];
            if (!value.constant.defined() && value.dtype == DType::s8) codes = input;
          }
    REQUIRE(codes != Graph::absent);
    const std::vector<double> in = means(graph, inputs, codes);
    const auto weight = named(parameters, layer + ".weight").to_vector();
    const auto bias = named(parameters, layer + ".bias").to_vector();
    const auto multiplier = named(parameters, layer + ".multiplier").to_vector();
    const bool onto_stream = contains(layer, "proj") || contains(layer, "fc2");
    const auto scales =
        named(parameters, onto_stream ? "stream.scale" : layer + ".scale").to_vector();
    for (size_t n = 0; n < bias.size(); ++n) {
      double sum = bias[n];
      for (size_t k = 0; k < in.size(); ++k) sum += weight[n * in.size() + k] * in[k];
      units.push_back(multiplier[n] * scales[n * scales.size() / bias.size()]);
      outputs.push_back(sum * units.back());
    }
  }
};

}  // namespace

TEST_CASE("with its bias corrected a layer's mean is that of fp32 to half a unit of its sums") {
  Generator generator(1);
  for (const char* pooling : {"class", "sequence"}) {
    Int8Model m(small_config("conv", pooling), generator);
    give_biases(m);
    const NamedTensors corrected = correct_biases(m.graph, m.parameters, m.images);
    const Graph integers = int8_graph(m.graph, corrected);
    int layers = 0;
    for (const Graph::Node& node : m.graph.nodes) {
      if (std::string(node.op->name) != "linear" || !contains(node.layer, "blocks.")) continue;
      INFO(pooling, " ", node.layer);
      ++layers;
      const std::vector<double> expected = means(m.graph, m.images, node.output);
      const IntegerLayer found(integers, corrected, m.images, node.layer);
      double largest = 0;
      for (double mean : expected) largest = std::max(largest, std::abs(mean));
      for (size_t n = 0; n < expected.size(); ++n)
        // Half a unit; and the roundings, of either sign, of up to 24 terms that are about as large
        // as the result or 1.
        CHECK(std::abs(found.outputs[n] - expected[n]) <=
              found.units[n] / 2 + std::sqrt(24.0) * 1.2e-7 * (largest + 1));
    }
    CHECK(layers == 8);
  }
}

TEST_CASE("bias correction changes biases alone, and does not ask what they were") {
  Generator generator(2);
  const Int8Model m(small_config("patch", "class"), generator);
  const NamedTensors corrected = correct_biases(m.graph, m.parameters, m.images);
  NamedTensors wrong = m.parameters;
  for (const char* layer : {"blocks.0.attention.qkv", "blocks.1.mlp.fc2"}) {
    Tensor& bias = named(wrong, std::string(layer) + ".bias");
    bias = Tensor::full(bias.shape(), 777, DType::s32);
  }
  const NamedTensors repaired = correct_biases(m.graph, wrong, m.images);
  REQUIRE(corrected.size() == m.parameters.size());
  int changed = 0;
  for (size_t i = 0; i < corrected.size(); ++i) {
    const std::string& name = corrected[i].first;
    const Tensor& tensor = corrected[i].second;
    INFO(name);
    CHECK(name == m.parameters[i].first);
    CHECK(tensor.to_vector() == repaired[i].second.to_vector());
    if (tensor.to_vector() == m.parameters[i].second.to_vector()) continue;
    ++changed;
    CHECK(tensor.dtype() == DType::s32);
    CHECK(contains(name, ".bias"));
  }
  CHECK(changed > 0);
}

TEST_CASE("bias correction refuses what it cannot measure") {
  Generator generator(3);
  const Int8Model m(small_config("patch", "class"), generator);
  CHECK(contains(refusal_of([&] {
                   correct_biases(m.graph, m.parameters, Tensor::zeros({0, 8, 8, 1}));
                 }),
                 "at least one"));
  CHECK(contains(refusal_of([&] { correct_biases(m.graph, {}, m.images); }), "no 'stream.scale'"));
}

}  // namespace espalier::test
