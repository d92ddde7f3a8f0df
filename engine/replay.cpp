#include "engine/replay.h"

#include "engine/capture.h"
#include "engine/error.h"

namespace espalier {

Tensor NodeCall::run() const {
  if (!node.op->replay)
    argument_error("replay", node.op->name, "an operation that graphs cannot call",
                   "one whose Op has `replay`", "run the module itself");
  return node.op->replay(*this);
}

Tensor replay(const Graph& graph, const Tensor& input, const NodeRule& rule) {
  const Graph::Value& expected = graph.values[static_cast<size_t>(graph.input)];
  check_min_rank("replay", "input", input, 1);
  const int64_t batch = input.size(0);
  check_shape("replay", "input", input, shape_at(expected.shape, batch));
  std::vector<Tensor> values(graph.values.size());
  for (size_t v = 0; v < values.size(); ++v) values[v] = graph.values[v].constant;
  values[static_cast<size_t>(graph.input)] = input;
  for (const Graph::Node& node : graph.nodes) {
    std::vector<Tensor> inputs;
    for (int number : node.inputs)
      inputs.push_back(number == Graph::absent ? Tensor() : values[static_cast<size_t>(number)]);
    const LayerScope layer(node.layer);
    const NodeCall call(node, std::move(inputs), batch);
    values[static_cast<size_t>(node.output)] = rule ? rule(call) : call.run();
  }
  return values[static_cast<size_t>(graph.output)];
}

Graph rewritten(const Graph& graph, const NamedTensors& parameters,
                const std::function<Tensor(const Tensor& input)>& run) {
  NamedTensors names = parameters;
  for (const Graph::Value& value : graph.values)
    if (value.constant.defined() && !value.name.empty())
      names.emplace_back(value.name, value.constant);
  const Shape batch = shape_at(graph.values[static_cast<size_t>(graph.input)].shape, 1);
  return capture(run, Shape(batch.begin() + 1, batch.end()), names);
}

}  // namespace espalier
