#include "compress/equalize.h"

#include <algorithm>
#include <cmath>

#include "compress/calibrate.h"
#include "compress/observers/min_max.h"
#include "engine/error.h"
#include "engine/ops/view.h"

namespace espalier {
namespace {

constexpr const char* name_of_equalization = "equalize";

class PairFinder {
 public:
  explicit PairFinder(const Graph& graph) : graph_(graph), readers_(graph.values.size()) {
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      for (int input : graph.nodes[n].inputs)
        if (input != Graph::absent)
          readers_[static_cast<size_t>(input)].push_back(static_cast<int>(n));
  }

  std::vector<EqualizedPair> find() const {
    std::vector<EqualizedPair> pairs;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Graph::Node& node = graph_.nodes[n];
      const int from = is_op(node, "layer_norm")  ? static_cast<int>(n)
                       : is_op(node, "attention") ? projection_of(node)
                                                  : Graph::absent;
      const std::vector<int>& to = readers(node.output);
      const auto takes = [&](int reader) {
        return is_own_linear(reader) &&
               graph_.nodes[static_cast<size_t>(reader)].inputs[0] == node.output;
      };
      if (from != Graph::absent && owns_constants(from) && node.output != graph_.output &&
          !to.empty() && std::all_of(to.begin(), to.end(), takes))
        pairs.push_back({from, to, node.output});
    }
    return pairs;
  }

 private:
  const std::vector<int>& readers(int value) const { return readers_[static_cast<size_t>(value)]; }

  // All operands but the first are constants that no other node reads.
  bool owns_constants(int n) const {
    const std::vector<int>& inputs = graph_.nodes[static_cast<size_t>(n)].inputs;
    return std::all_of(inputs.begin() + 1, inputs.end(), [&](int input) {
      return input == Graph::absent ||
             (graph_.values[static_cast<size_t>(input)].constant.defined() &&
              readers(input).size() == 1);
    });
  }
  bool is_own_linear(int n) const {
    return is_op(graph_.nodes[static_cast<size_t>(n)], "linear") && owns_constants(n);
  }

  // The linear whose result is this attention's and nobody else's.
  int projection_of(const Graph::Node& attention) const {
    const int value = attention.inputs[0];
    const int producer = graph_.values[static_cast<size_t>(value)].producer;
    const bool alone = producer != Graph::absent && readers(value).size() == 1 &&
                       value != graph_.output && is_own_linear(producer);
    return alone ? producer : Graph::absent;
  }

  const Graph& graph_;
  std::vector<std::vector<int>> readers_;  // by value, nodes
};

class Equalizer {
 public:
  Equalizer(const Graph& graph, const Tensor& inputs, double alpha)
      : graph_(graph),
        alpha_(alpha),
        observers_(calibrate(graph, inputs, [] { return std::make_unique<MinMaxObserver>(); })) {}

  Graph equalize(const std::vector<EqualizedPair>& pairs) {
    // The last first: a projection's v channels take their factors before its columns are looked
    // at.
    for (auto at = pairs.rbegin(); at != pairs.rend(); ++at) {
      const EqualizedPair& pair = *at;
      const std::vector<double> factors = factors_of(pair);
      const Graph::Node& from = node(pair.from);
      // gamma and beta, or the last rows of weight and bias, which are v's.
      for (size_t input : {1, 2})
        if (has(from, input)) divide_last(fresh(from, input), factors);
      for (int to : pair.to) multiply_columns(fresh(node(to), 1), factors);
    }
    return std::move(graph_);
  }

 private:
  const Graph::Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }
  static bool has(const Graph::Node& node, size_t input) {
    return input < node.inputs.size() && node.inputs[input] != Graph::absent;
  }
  Tensor& constant(const Graph::Node& node, size_t input) {
    return graph_.values[static_cast<size_t>(node.inputs[input])].constant;
  }

  // A copy of its own in place of the module's memory.
  Tensor fresh(const Graph::Node& node, size_t input) {
    const Tensor& old = constant(node, input);
    check_dtype(name_of_equalization, node.op->name, old, DType::f32);
    const Tensor copy = Tensor::empty(old.shape());
    copy.copy_(old.detach());
    return constant(node, input) = copy;
  }

  std::vector<double> factors_of(const EqualizedPair& pair) {
    const Observer& observer = *observers_[static_cast<size_t>(pair.between)];
    std::vector<double> factors;
    for (int64_t j = 0; j < observer.channels(); ++j) {
      const Range range = observer.range(j, j + 1);
      const double x = std::max(-range.low, range.high);
      double w = 0;
      for (int to : pair.to) w = std::max(w, largest_in_column(constant(node(to), 1).detach(), j));
      factors.push_back(x > 0 && w > 0 ? std::pow(x, alpha_) / std::pow(w, 1 - alpha_) : 1);
    }
    return factors;
  }

  static double largest_in_column(const Tensor& weight, int64_t column) {
    const Tensor values = contiguous(weight);
    double largest = 0;
    for (int64_t i = column; i < values.numel(); i += values.size(1))
      largest = std::max(largest, static_cast<double>(std::abs(values.data<float>()[i])));
    return largest;
  }

  // The last rows of [.., K], or the last elements of [..], as many as there are factors.
  static void divide_last(const Tensor& x, const std::vector<double>& factors) {
    const auto count = static_cast<int64_t>(factors.size());
    const int64_t row = x.rank() == 2 ? x.size(1) : 1;
    float* at = x.data<float>() + (x.size(0) - count) * row;
    for (int64_t i = 0; i < count * row; ++i)
      at[i] =
          static_cast<float>(static_cast<double>(at[i]) / factors[static_cast<size_t>(i / row)]);
  }

  static void multiply_columns(const Tensor& weight, const std::vector<double>& factors) {
    float* at = weight.data<float>();
    for (int64_t n = 0; n < weight.size(0); ++n)
      for (double factor : factors) {
        *at = static_cast<float>(static_cast<double>(*at) * factor);
        ++at;
      }
  }

  Graph graph_;
  const double alpha_;
  const Observers observers_;
};

}  // namespace

std::vector<EqualizedPair> equalized_pairs(const Graph& graph) { return PairFinder(graph).find(); }

Graph equalize(const Graph& graph, const Tensor& inputs, double alpha) {
  if (!(alpha >= 0 && alpha <= 1))
    argument_error(name_of_equalization, "alpha", std::to_string(alpha), "0 to 1", "");
  const std::vector<EqualizedPair> pairs = equalized_pairs(graph);
  if (pairs.empty())
    argument_error(name_of_equalization, "graph", "no two layers that a factor passes through",
                   "a layer_norm or an attention that only linear layers read", "");
  return Equalizer(graph, inputs, alpha).equalize(pairs);
}

}  // namespace espalier
