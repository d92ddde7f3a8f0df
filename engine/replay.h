// A captured graph run again, call by call: on the tape, on other inputs, or with some of its calls
// replaced, which is how a graph is rewritten.
#pragma once

#include <functional>
#include <vector>

#include "engine/graph.h"

namespace espalier {

// One node about to be called, its operands at hand.
class NodeCall {
 public:
  NodeCall(const Graph::Node& node, std::vector<Tensor> inputs, int64_t batch)
      : node(node), inputs(std::move(inputs)), batch(batch) {}

  const Graph::Node& node;
  const std::vector<Tensor> inputs;  // undefined where absent
  const int64_t batch;

  // Undefined where the node has no such operand.
  Tensor in(size_t i) const { return i < inputs.size() ? inputs[i] : Tensor(); }
  // Attributes at this batch.
  int64_t integer(const char* name) const { return attribute<BatchDim>(node, name).at(batch); }
  double real(const char* name) const { return attribute<double>(node, name); }
  const char* text(const char* name) const { return attribute<const char*>(node, name); }
  Shape shape(const char* name) const { return shape_at(attribute<BatchShape>(node, name), batch); }

  // Calls the operation; an argument error where it cannot be called from a graph.
  Tensor run() const;
};

// What stands in for the plain call.run(); it may make any tensor that later calls can take.
using NodeRule = std::function<Tensor(const NodeCall& call)>;

// The graph's result for `input` of shape [B, sample...]. Each call stands in its layer's scope, so
// that a capture of a replay has the layers of the graph. Constants are shared, so gradients reach
// the module's parameters.
Tensor replay(const Graph& graph, const Tensor& input, const NodeRule& rule = {});

// The graph of what `run` calls for an input like the graph's, which is how replay() with a rule
// becomes another graph. Constants have their names in `parameters`, or else in the graph.
Graph rewritten(const Graph& graph, const NamedTensors& parameters,
                const std::function<Tensor(const Tensor& input)>& run);

}  // namespace espalier
