#include "nn/int8_graph.h"

#include <cmath>
#include <set>

#include "engine/error.h"
#include "engine/ops/attention_s8.h"
#include "engine/ops/conv2d_s8.h"
#include "engine/ops/layer_norm_s8.h"
#include "engine/ops/layer_s8.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/quantize.h"
#include "engine/ops/view.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

constexpr const char* name_of_rewrite = "int8_graph";

const Tensor& int8_parameter(const std::map<std::string, Tensor>& tensors,
                             const std::string& name) {
  const auto at = tensors.find(name);
  if (at == tensors.end())
    argument_error(name_of_rewrite, "parameters", "no '" + name + "'", "one", "");
  return at->second;
}

}  // namespace

Int8Roles int8_roles_of(const Graph& graph, const NamedTensors& parameters) {
  if (!find_named(parameters, "stream.scale"))
    argument_error(name_of_rewrite, "parameters", "no 'stream.scale'", "one", "");
  const Int8Roles all = int8_roles(graph);
  KeptLayers kept;
  std::set<int> codes;  // of layer norms
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Graph::Node& node = graph.nodes[n];
    if (all.of_node[n] == Int8Role::layer_norm) codes.insert(node.output);
    const bool opens = is_linear(all.of_node[n]) && codes.count(node.inputs[0]);
    if (!opens && all.of_node[n] != Int8Role::conv) continue;
    const Tensor* weight = find_named(parameters, node.layer + ".weight");
    if (!weight || weight->dtype() != DType::s8) kept.insert(node.layer);
  }
  return int8_roles(graph, kept);
}

Int8Calls::Int8Calls(const Graph& graph, const NamedTensors& parameters,
                     const NamedTensors& operands)
    : graph_(graph),
      parameters_(parameters.begin(), parameters.end()),
      operands_(operands.begin(), operands.end()),
      roles_(int8_roles_of(graph, parameters)) {
  const float scale = number<float>("stream.scale", 0);
  if (!(scale > 0) || !std::isfinite(scale))
    argument_error(name_of_rewrite, "stream.scale", std::to_string(scale), "a positive number", "");
  stream_scale_ = static_cast<double>(scale);
  numbers_.resize(graph.nodes.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n) numbers_[n] = read_numbers(n);
  if (roles_.tokens != Graph::absent) read_tokenizer();
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (roles_.of_node[n] != Int8Role::absorbed) continue;
    if (!is_op(graph.nodes[n], "gelu")) continue;
    const int producer = graph.values[static_cast<size_t>(roles_.other[n])].producer;
    numbers_[static_cast<size_t>(producer)].gelu = attribute<const char*>(graph.nodes[n], "form");
  }
}

const Tensor& Int8Calls::parameter(const std::string& name) const {
  return int8_parameter(parameters_, name);
}
const Tensor& Int8Calls::operand(const std::string& name) const {
  return int8_parameter(operands_, name);
}

template <class T>
T Int8Calls::number(const std::string& name, int64_t i) const {
  const Tensor& tensor = parameter(name);
  check_dtype(name_of_rewrite, name.c_str(), tensor, dtype_of<T>());
  if (tensor.rank() != 1 || tensor.size(0) <= i)
    argument_error(name_of_rewrite, name.c_str(), tensor.describe(),
                   "a row of at least " + std::to_string(i + 1), "");
  return tensor.data<T>()[i];
}

Int8Calls::Numbers Int8Calls::read_numbers(size_t n) const {
  const std::string& layer = graph_.nodes[n].layer;
  const Int8Role role = roles_.of_node[n];
  Numbers numbers;
  if (role == Int8Role::conv) numbers.codes = codes(layer + ".");
  if (role == Int8Role::layer_norm) numbers.codes = codes_if_told(layer + ".");
  if (role == Int8Role::linear_gelu) numbers.codes = codes_if_told(layer + ".table_");
  if (role == Int8Role::linear || role == Int8Role::linear_gelu || role == Int8Role::attention)
    numbers.zero_point = number<int32_t>(layer + ".zero_point", 0);
  if (role == Int8Role::attention)
    numbers.score = static_cast<double>(number<float>(layer + ".scales", 0)),
    numbers.multiplier = static_cast<double>(number<float>(layer + ".scales", 1));
  if (is_linear(role) || role == Int8Role::conv) check_bias(layer), check_multiplier(layer);
  return numbers;
}

// Each convolution takes the codes of the one before.
void Int8Calls::read_tokenizer() {
  tokens_ = input_ = codes("input.");
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    if (roles_.of_node[n] != Int8Role::conv) continue;
    const Graph::Node& conv = graph_.nodes[n];
    numbers_[n].border = tokens_.zero_point;
    tokens_ = numbers_[n].codes;
    if (roles_.result_of(graph_, conv) != conv.output && tokens_.zero_point != -128)
      argument_error(name_of_rewrite, (conv.layer + ".zero_point").c_str(),
                     std::to_string(tokens_.zero_point), "-128", "a ReLU follows");
  }
}

Affine Int8Calls::codes_if_told(const std::string& prefix) const {
  return has(prefix + "scale") ? codes(prefix) : Affine();
}
Affine Int8Calls::codes(const std::string& prefix) const {
  return {static_cast<double>(number<float>(prefix + "scale", 0)),
          number<int32_t>(prefix + "zero_point", 0)};
}

// What no conversion makes would round to other codes on other processors.
void Int8Calls::check_multiplier(const std::string& layer) const {
  const std::string name = layer + ".multiplier";
  const Tensor& multiplier = parameter(name);
  check_dtype(name_of_rewrite, name.c_str(), multiplier, DType::f32);
  for (double value : multiplier.to_vector())
    if (!(value >= 0) || !std::isfinite(value))
      argument_error(name_of_rewrite, name.c_str(), std::to_string(value),
                     "numbers that are finite and not negative", "");
}

void Int8Calls::check_bias(const std::string& layer) const {
  const Tensor& bias = parameter(layer + ".bias");
  const Tensor& weight = parameter(layer + ".weight");
  check_dtype(name_of_rewrite, (layer + ".bias").c_str(), bias, DType::s32);
  check_min_rank(name_of_rewrite, (layer + ".weight").c_str(), weight, 2);
  check_bias_s8(name_of_rewrite, (layer + ".bias").c_str(), bias, depth_of(weight.shape()));
}

LinearS8 Int8Calls::linear(const std::string& layer) const {
  return {operand(layer + ".weight"), operand(layer + ".bias"), operand(layer + ".multiplier"),
          has(layer + ".scale") ? operand(layer + ".scale") : Tensor()};
}

Tensor Int8Calls::operator()(size_t n, const NodeCall& call, const Tensor& residual) const {
  const std::string& layer = call.node.layer;
  const Numbers& numbers = numbers_[n];
  switch (roles_.of_node[n]) {
    case Int8Role::conv: {
      const Tensor x = call.in(0);
      return conv2d_s8(
          x.dtype() == DType::f32 ? quantize(x, input_.scale, input_.zero_point, DType::s8) : x,
          linear(layer), {call.integer("stride"), call.integer("padding"), numbers.border},
          numbers.codes.zero_point);
    }
    case Int8Role::pool:
      return call.run();
    case Int8Role::layer_norm:
      return layer_norm_s8(call.in(0), operand(layer + ".weight"), operand(layer + ".bias"),
                           call.real("eps") / (stream_scale_ * stream_scale_), numbers.codes);
    case Int8Role::linear:
      return linear_s8(call.in(0), linear(layer), numbers.zero_point);
    case Int8Role::linear_gelu:
      return linear_s8(call.in(0), linear(layer), numbers.zero_point,
                       {operand(layer + ".table"), numbers.gelu, numbers.codes});
    case Int8Role::add_linear:
      return add_linear_s8(residual, call.in(0), linear(layer));
    case Int8Role::attention: {
      const Tensor all = attention_s8(call.in(0), call.integer("heads"),
                                      {numbers.score, numbers.multiplier, numbers.zero_point});
      const int64_t queries = call.integer("queries");
      return queries == all.size(1) ? all : slice(all, 1, 0, queries);
    }
    case Int8Role::none:
    case Int8Role::absorbed:
      break;
  }
  throw std::logic_error("a node without a call of its own");
}

Tensor Int8Calls::from_tokens(const Tensor& codes) const {
  return dequantize(codes, tokens_.scale, tokens_.zero_point);
}
Tensor Int8Calls::to_stream(const Tensor& x) const {
  return quantize(x, stream_scale_, 0, DType::s16);
}
Tensor Int8Calls::from_stream(const Tensor& codes) const {
  return dequantize(codes, stream_scale_, 0);
}

namespace {

// A call that stays as it is; where it reads the stream, on what that stands for.
Tensor in_fp32(const Int8Calls& calls, const NodeCall& call) {
  std::vector<Tensor> inputs;
  for (const Tensor& input : call.inputs) {
    const bool stream = input.defined() && input.dtype() == DType::s16 && !call.node.op->view;
    inputs.push_back(stream ? calls.from_stream(input) : input);
  }
  return NodeCall(call.node, std::move(inputs), call.batch).run();
}

// One run, under capture().
Tensor run_in_whole_numbers(const Graph& graph, const Int8Calls& calls, const Tensor& input) {
  const Int8Roles& roles = calls.roles();
  std::vector<Tensor> made(graph.values.size());
  size_t n = 0;
  const auto rule = [&](const NodeCall& call) {
    Tensor& to = made[static_cast<size_t>(call.node.output)];
    const int other = roles.other[n];
    const Tensor before = other == Graph::absent ? Tensor() : made[static_cast<size_t>(other)];
    const Int8Role role = roles.of_node[n];
    if (role == Int8Role::absorbed)
      to = before;
    else if (role == Int8Role::none)
      to = in_fp32(calls, call);
    else
      to = calls(n, call, before);
    if (call.node.output == roles.tokens) to = calls.from_tokens(to);
    if (role == Int8Role::none && roles.on_stream(call.node.output)) to = calls.to_stream(to);
    ++n;
    return to;
  };
  made[static_cast<size_t>(graph.input)] = input;
  const Tensor y = replay(graph, input, rule);
  return y.dtype() == DType::s16 ? calls.from_stream(y) : y;
}

}  // namespace

Graph int8_graph(const Graph& graph, const NamedTensors& parameters) {
  const Int8Calls calls(graph, parameters);
  return rewritten(graph, parameters,
                   [&](const Tensor& x) { return run_in_whole_numbers(graph, calls, x); });
}

}  // namespace espalier
