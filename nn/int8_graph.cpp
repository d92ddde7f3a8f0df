#include "nn/int8_graph.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <optional>

#include "engine/capture.h"
#include "engine/error.h"
#include "engine/ops/attention_s8.h"
#include "engine/ops/layer_norm_s8.h"
#include "engine/ops/linear_s8.h"
#include "engine/ops/quantize.h"
#include "engine/ops/view.h"
#include "engine/replay.h"

namespace espalier {
namespace {

constexpr const char* name_of_rewrite = "int8_graph";

bool is(const Graph::Node& node, const char* op) { return std::strcmp(node.op->name, op) == 0; }

// Walks a graph once and tells codes from the stream and from fp32.
class RoleFinder {
 public:
  explicit RoleFinder(const Graph& graph) : graph_(graph), kinds_(graph.values.size()) {
    roles_.of_node.resize(graph.nodes.size());
    roles_.other.resize(graph.nodes.size(), Graph::absent);
  }

  Int8Roles find() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) visit(n);
    if (roles_.entry == Graph::absent)
      argument_error(name_of_rewrite, "graph", "no encoder block",
                     "a layer_norm whose result only linear layers read, on a residual stream",
                     "models of other kinds have no form in whole numbers yet");
    return std::move(roles_);
  }

 private:
  enum class Kind : char { fp32, stream, codes };

  const Graph::Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }
  Kind& kind(int value) { return kinds_[static_cast<size_t>(value)]; }
  void absorb(int n, int made_by_linear) {
    roles_.of_node[static_cast<size_t>(n)] = Int8Role::absorbed;
    roles_.other[static_cast<size_t>(n)] = made_by_linear;
  }

  std::vector<int> readers(int value) const {
    std::vector<int> out;
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      for (int input : graph_.nodes[n].inputs)
        if (input == value) out.push_back(static_cast<int>(n));
    return out;
  }

  // Only linear layers read its result, and its input is added to later on.
  bool opens_branch(const Graph::Node& norm) const {
    for (int reader : readers(norm.output))
      if (!is(node(reader), "linear")) return false;
    for (int reader : readers(norm.inputs[0]))
      if (is(node(reader), "add")) return true;
    return false;
  }

  void put_on_stream(int value) {
    kind(value) = Kind::stream;
    roles_.stream.push_back(value);
  }

  void visit(size_t n) {
    const Graph::Node& at = graph_.nodes[n];
    Int8Role& to = roles_.of_node[n];
    if (to == Int8Role::absorbed) return;
    if (is(at, "layer_norm") && opens_branch(at)) {
      if (roles_.entry == Graph::absent) put_on_stream(roles_.entry = at.inputs[0]);
      if (kind(at.inputs[0]) == Kind::stream) {
        to = Int8Role::layer_norm;
        kind(at.output) = Kind::codes;
        return;
      }
    }
    if (kind(at.inputs[0]) != Kind::codes) return;
    if (is(at, "linear"))
      to = role_of_linear(at, roles_.other[n]);
    else if (is(at, "attention"))
      to = Int8Role::attention, kind(at.output) = Kind::codes;
    else
      argument_error(name_of_rewrite, at.op->name, "codes, in layer '" + at.layer + "'",
                     "linear, attention or gelu behind the layer_norm of a block", "");
  }

  // Sets `sum` where the layer adds to a stream.
  Int8Role role_of_linear(const Graph::Node& linear, int& sum) {
    const std::vector<int> users = readers(linear.output);
    if (users.size() == 1) {
      const Graph::Node& user = node(users[0]);
      if (is(user, "attention")) {
        kind(linear.output) = Kind::codes;
        return Int8Role::linear;
      }
      if (is(user, "gelu")) {
        absorb(users[0], linear.output);
        kind(user.output) = Kind::codes;
        return Int8Role::linear_gelu;
      }
      const bool first = user.inputs[0] == linear.output;
      if (is(user, "add") && kind(user.inputs[first ? 1 : 0]) == Kind::stream) {
        sum = user.inputs[first ? 1 : 0];
        absorb(users[0], linear.output);
        put_on_stream(user.output);
        return Int8Role::add_linear;
      }
    }
    argument_error(name_of_rewrite, "linear", "what follows layer '" + linear.layer + "'",
                   "attention, gelu or the residual sum, and nothing else", "");
  }

  const Graph& graph_;
  std::vector<Kind> kinds_;
  Int8Roles roles_;
};

class Rewriter {
 public:
  Rewriter(const Graph& graph, const NamedTensors& parameters)
      : graph_(graph), roles_(int8_roles(graph)), made_(graph.values.size()) {
    for (const auto& [name, tensor] : parameters) parameters_[name] = tensor;
    const float scale = number<float>("stream.scale", 0);
    if (!(scale > 0) || !std::isfinite(scale))
      argument_error(name_of_rewrite, "stream.scale", std::to_string(scale), "a positive number",
                     "");
    stream_scale_ = static_cast<double>(scale);
    read_numbers();
  }

  // One run, under capture().
  Tensor operator()(const Tensor& input) {
    made_[static_cast<size_t>(graph_.input)] = input;
    at_ = 0;
    const Tensor y = replay(graph_, input, [this](const NodeCall& call) {
      Tensor& to = made_[static_cast<size_t>(call.node.output)];
      to = rewritten(call, at_++);
      if (call.node.output == roles_.entry) to = quantize(to, stream_scale_, 0, DType::s16);
      return to;
    });
    return y.dtype() == DType::s16 ? dequantize(y, stream_scale_, 0) : y;
  }

 private:
  // Numbers of one node: attributes may not be read from tensors during a capture.
  struct Numbers {
    int64_t zero_point = 0;
    double score = 0, multiplier = 0;
    Affine codes{};         // of a layer norm's result, or of the table's
    const char* gelu = "";  // what the table is
  };

  const Tensor& parameter(const std::string& name) const {
    const auto found = parameters_.find(name);
    if (found == parameters_.end())
      argument_error(name_of_rewrite, "parameters", "no '" + name + "'", "one", "");
    return found->second;
  }

  template <class T>
  T number(const std::string& name, int64_t i) const {
    const Tensor& tensor = parameter(name);
    check_dtype(name_of_rewrite, name.c_str(), tensor, dtype_of<T>());
    if (tensor.rank() != 1 || tensor.size(0) <= i)
      argument_error(name_of_rewrite, name.c_str(), tensor.describe(),
                     "a row of at least " + std::to_string(i + 1), "");
    return tensor.data<T>()[i];
  }

  void read_numbers() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const std::string& layer = graph_.nodes[n].layer;
      const Int8Role role = roles_.of_node[n];
      Numbers numbers;
      if (role == Int8Role::layer_norm) numbers.codes = codes_if_told(layer + ".");
      if (role == Int8Role::linear_gelu) numbers.codes = codes_if_told(layer + ".table_");
      if (role == Int8Role::linear || role == Int8Role::linear_gelu || role == Int8Role::attention)
        numbers.zero_point = number<int32_t>(layer + ".zero_point", 0);
      if (role == Int8Role::attention)
        numbers.score = static_cast<double>(number<float>(layer + ".scales", 0)),
        numbers.multiplier = static_cast<double>(number<float>(layer + ".scales", 1));
      if (is(graph_.nodes[n], "gelu") && role == Int8Role::absorbed)
        numbers_[producer_of(roles_.other[n])].gelu =
            attribute<const char*>(graph_.nodes[n], "form");
      numbers_.push_back(numbers);
      if (role == Int8Role::linear || role == Int8Role::linear_gelu || role == Int8Role::add_linear)
        check_bias(layer);
    }
  }

  bool has(const std::string& name) const { return parameters_.count(name) > 0; }

  size_t producer_of(int value) const {
    return static_cast<size_t>(graph_.values[static_cast<size_t>(value)].producer);
  }

  Affine codes_if_told(const std::string& prefix) const {
    if (!has(prefix + "scale")) return {};
    return {static_cast<double>(number<float>(prefix + "scale", 0)),
            number<int32_t>(prefix + "zero_point", 0)};
  }

  // No sum of products may push a bias out of 32 bits.
  void check_bias(const std::string& layer) const {
    const Tensor& bias = parameter(layer + ".bias");
    const Tensor& weight = parameter(layer + ".weight");
    check_dtype(name_of_rewrite, (layer + ".bias").c_str(), bias, DType::s32);
    check_min_rank(name_of_rewrite, (layer + ".weight").c_str(), weight, 2);
    constexpr int64_t largest_product = 128 * 255;
    const int64_t most = std::numeric_limits<int32_t>::max() - weight.size(1) * largest_product;
    for (int64_t i = 0; i < bias.numel(); ++i)
      if (std::abs(int64_t{bias.data<int32_t>()[i]}) > most)
        argument_error(
            name_of_rewrite, (layer + ".bias").c_str(), std::to_string(bias.data<int32_t>()[i]),
            "at most " + std::to_string(most) + " in magnitude", "its sums would leave 32 bits");
  }

  LinearS8 linear(const std::string& layer) const {
    return {parameter(layer + ".weight"), parameter(layer + ".bias"),
            parameter(layer + ".multiplier"),
            has(layer + ".scale") ? parameter(layer + ".scale") : Tensor()};
  }

  const Tensor& made(int value) const { return made_[static_cast<size_t>(value)]; }

  Tensor rewritten(const NodeCall& call, size_t n) const {
    const std::string& layer = call.node.layer;
    const Numbers& numbers = numbers_[n];
    switch (roles_.of_node[n]) {
      case Int8Role::none:
        break;
      case Int8Role::layer_norm:
        return layer_norm_s8(call.in(0), parameter(layer + ".weight"), parameter(layer + ".bias"),
                             call.real("eps") / (stream_scale_ * stream_scale_), numbers.codes);
      case Int8Role::linear:
        return linear_s8(call.in(0), linear(layer), numbers.zero_point);
      case Int8Role::linear_gelu:
        return linear_s8(call.in(0), linear(layer), numbers.zero_point,
                         {parameter(layer + ".table"), numbers.gelu, numbers.codes});
      case Int8Role::add_linear:
        return add_linear_s8(made(roles_.other[n]), call.in(0), linear(layer));
      case Int8Role::attention: {
        const Tensor all = attention_s8(call.in(0), call.integer("heads"),
                                        {numbers.score, numbers.multiplier, numbers.zero_point});
        const int64_t queries = call.integer("queries");
        return queries == all.size(1) ? all : slice(all, 1, 0, queries);
      }
      case Int8Role::absorbed:
        return made(roles_.other[n]);
    }
    return in_fp32(call);
  }

  // A call that stays as it is; where it reads the stream, on what that stands for.
  Tensor in_fp32(const NodeCall& call) const {
    std::vector<Tensor> inputs;
    for (const Tensor& input : call.inputs) {
      const bool stream = input.defined() && input.dtype() == DType::s16 && !call.node.op->view;
      inputs.push_back(stream ? dequantize(input, stream_scale_, 0) : input);
    }
    return NodeCall(call.node, std::move(inputs), call.batch).run();
  }

  const Graph& graph_;
  const Int8Roles roles_;
  std::map<std::string, Tensor> parameters_;
  std::vector<Numbers> numbers_;  // by node
  double stream_scale_ = 1;
  std::vector<Tensor> made_;  // by value, in the run at hand
  size_t at_ = 0;
};

}  // namespace

Int8Roles int8_roles(const Graph& graph) { return RoleFinder(graph).find(); }

Graph int8_graph(const Graph& graph, const NamedTensors& parameters) {
  Rewriter rewriter(graph, parameters);
  NamedTensors names = parameters;
  for (const Graph::Value& value : graph.values)
    if (value.constant.defined() && !value.name.empty())
      names.emplace_back(value.name, value.constant);
  const Shape batch = shape_at(graph.values[static_cast<size_t>(graph.input)].shape, 1);
  return capture([&](const Tensor& x) { return rewriter(x); },
                 Shape(batch.begin() + 1, batch.end()), names);
}

}  // namespace espalier
