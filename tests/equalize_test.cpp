// Factors that move between layers: which pairs there are, and that the model stays what it was.
#include "compress/equalize.h"

#include <cmath>

#include "compress/calibrate.h"
#include "compress/observers/min_max.h"
#include "engine/autograd.h"
#include "engine/ops/binary.h"
#include "engine/ops/relu.h"
#include "engine/replay.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

// Weights and activations of scattered sizes, as trained models have them: fresh ones are all
// alike.
void scatter(const Module& model, unsigned seed) {
  for (const auto& [name, parameter] : model.state_dict()) {
    if (parameter.rank() > 2) continue;
    const auto factors = random_tensor(parameter.shape(), ++seed).to_vector();
    float* at = parameter.data<float>();
    for (size_t i = 0; i < factors.size(); ++i)
      at[i] = contains(name, "norm") ? static_cast<float>(std::exp(factors[i]))
                                     : static_cast<float>(0.3 * factors[i]);
  }
}

std::vector<std::string> described(const Graph& graph) {
  std::vector<std::string> out;
  for (const EqualizedPair& pair : equalized_pairs(graph)) {
    std::string text = graph.nodes[static_cast<size_t>(pair.from)].layer + " ->";
    for (int to : pair.to) text += " " + graph.nodes[static_cast<size_t>(to)].layer;
    out.push_back(text);
  }
  return out;
}

// By channel, how far the value reaches.
std::vector<double> reach(const Graph& graph, int value, const Tensor& inputs) {
  const Observers seen =
      calibrate(graph, inputs, [] { return std::make_unique<MinMaxObserver>(); });
  const Observer& observer = *seen[static_cast<size_t>(value)];
  std::vector<double> out;
  for (int64_t c = 0; c < observer.channels(); ++c) {
    const Range range = observer.range(c, c + 1);
    out.push_back(std::max(-range.low, range.high));
  }
  return out;
}

double spread(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end()) /
         *std::min_element(values.begin(), values.end());
}

}  // namespace

TEST_CASE("pairs are read off the graph") {
  Generator generator(1);
  VisionTransformer model(small_config("conv", "sequence"), generator);
  model.eval();
  std::vector<std::string> expected;
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    expected.push_back(block + "norm1 -> " + block + "attention.qkv");
    expected.push_back(block + "attention.qkv -> " + block + "attention.proj");
    expected.push_back(block + "norm2 -> " + block + "mlp.fc1");
  }
  // The last norm is read by the pooling's product too.
  CHECK(described(capture(model)) == expected);

  const LayerNorm norm(6);
  const Linear a(6, 6, generator), b(6, 4, generator);
  const NoGradGuard off;
  const auto pairs_of = [&](const std::function<Tensor(const Tensor&)>& f) {
    return equalized_pairs(capture(f, {5, 6}, {})).size();
  };
  CHECK(pairs_of([&](const Tensor& x) { return add(a(norm(x)), x); }) == 1);
  CHECK(pairs_of([&](const Tensor& x) { return add(a(norm(x)), norm(x)); }) == 0);
  CHECK(pairs_of([&](const Tensor& x) { return add(relu(norm(x)), a(x)); }) == 0);
  CHECK(pairs_of([&](const Tensor& x) { return b(a(norm(x))); }) == 1);
  // One weight in two places takes no factor.
  CHECK(pairs_of([&](const Tensor& x) { return a(add(a(norm(x)), x)); }) == 0);
}

TEST_CASE("an equalised model gives what it gave, from weights of its own") {
  Generator generator(2);
  for (const char* pooling : {"class", "sequence"})
    for (double alpha : {0.0, 0.5, 1.0}) {
      INFO(pooling, " ", alpha);
      VisionTransformer model(small_config("patch", pooling), generator);
      model.eval();
      scatter(model, 7);
      const Tensor images = random_tensor({20, 8, 8, 1}, 5, DType::f32);
      const Graph graph = capture(model);
      const NoGradGuard off;
      const std::vector<double> before = replay(graph, images).to_vector();
      const Graph even = equalize(graph, images, alpha);
      CHECK(replay(graph, images).to_vector() == before);
      const std::vector<double> after = replay(even, images).to_vector();
      double largest = 0;
      for (double logit : before) largest = std::max(largest, std::abs(logit));
      // Each factor rounds gamma, beta or v, and the weight behind it, once: two roundings of eps /
      // 2 in each product. Blocks pass an error on and the norms keep its relative size, so that
      // errors of 2 * depth + 1 branches add up, each over sums of up to `mlp_hidden` terms of
      // either sign.
      const double eps = 1.2e-7, branches = 2 * 2 + 1, terms = 24;
      double difference = 0;
      for (size_t i = 0; i < before.size(); ++i)
        difference = std::max(difference, std::abs(after[i] - before[i]));
      CHECK(difference <= 4 * branches * std::sqrt(terms) * eps * largest);
      CHECK(difference > 0);
    }
}

TEST_CASE("alpha 1 evens activations out, alpha 0 the columns of weights, 1/2 both alike") {
  Generator generator(3);
  VisionTransformer model(small_config("patch", "class"), generator);
  model.eval();
  scatter(model, 9);
  const Tensor images = random_tensor({20, 8, 8, 1}, 5, DType::f32);
  const Graph graph = capture(model);
  const auto columns = [](const Graph& of, const EqualizedPair& pair) {
    const int value = of.nodes[static_cast<size_t>(pair.to[0])].inputs[1];
    const Tensor weight = of.values[static_cast<size_t>(value)].constant.detach();
    const auto values = weight.to_vector();
    std::vector<double> largest(static_cast<size_t>(weight.size(1)));
    for (size_t i = 0; i < values.size(); ++i)
      largest[i % largest.size()] = std::max(largest[i % largest.size()], std::abs(values[i]));
    return largest;
  };
  for (const EqualizedPair& pair : equalized_pairs(graph)) {
    INFO(graph.nodes[static_cast<size_t>(pair.from)].layer);
    CHECK(spread(reach(graph, pair.between, images)) > 1.5);
    // Away from the same for all by the roundings of a channel's sums of up to 17 terms.
    const double close = 1 + 2 * 17 * 1.2e-7;
    CHECK(spread(reach(equalize(graph, images, 1), pair.between, images)) < close);
    CHECK(spread(columns(equalize(graph, images, 0), pair)) < close);
    const Graph even = equalize(graph, images, 0.5);
    std::vector<double> ratios = columns(even, pair);
    const std::vector<double> activations = reach(even, pair.between, images);
    for (size_t j = 0; j < ratios.size(); ++j) ratios[j] /= activations[j];
    CHECK(spread(ratios) < close);
  }
}

TEST_CASE("channels of zeros keep their weights, and what cannot be equalised is refused") {
  Generator generator(4);
  VisionTransformer model(small_config("patch", "class"), generator);
  model.eval();
  for (const auto& [name, parameter] : model.state_dict())
    if (contains(name, "norm1")) parameter.data<float>()[3] = 0;
  const Tensor images = random_tensor({4, 8, 8, 1}, 5, DType::f32);
  const Graph graph = capture(model), even = equalize(graph, images);
  for (const Graph::Value& value : even.values)
    if (value.constant.defined() && value.constant.dtype() == DType::f32)
      for (double x : value.constant.detach().to_vector()) CHECK(std::isfinite(x));
  CHECK(contains(refusal_of([&] { equalize(graph, images, 1.5); }), "alpha is 1.5"));
  const Graph plain = capture([](const Tensor& x) { return relu(x); }, {4, 6}, {});
  CHECK(contains(refusal_of([&] { equalize(plain, Tensor::zeros({1, 4, 6})); }), "no two layers"));
}

}  // namespace espalier::test
