#include "compress/pruning/cost.h"

namespace espalier {
namespace {

// The shape of a value for one sample.
Shape shape_of(const Graph& graph, const Coupling& coupling, const Widths& widths, int value) {
  Shape shape;
  const auto number = static_cast<size_t>(value);
  const std::vector<std::vector<int>>& groups = coupling.of_value[number];
  for (size_t dim = 0; dim < groups.size(); ++dim) {
    int64_t size = graph.values[number].shape[dim].at(1);
    for (int group : groups[dim]) {
      const auto g = static_cast<size_t>(group);
      size = size / coupling.groups[g].count * widths[g];
    }
    shape.push_back(size);
  }
  return shape;
}

}  // namespace

Widths full_widths(const Coupling& coupling) {
  Widths widths;
  for (const PruningGroup& group : coupling.groups) widths.push_back(group.count);
  return widths;
}

double parameters_at(const Graph& graph, const Coupling& coupling, const Widths& widths) {
  int64_t count = 0;
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (!graph.values[v].name.empty())
      count += shape_of(graph, coupling, widths, static_cast<int>(v)).numel();
  return static_cast<double>(count);
}

double flops_at(const Graph& graph, const Coupling& coupling, const Widths& widths) {
  int64_t count = 0;
  for (const Graph::Node& node : graph.nodes) {
    if (node.op->view || !node.op->flops) continue;
    std::vector<Shape> inputs;
    for (int input : node.inputs)
      inputs.push_back(input == Graph::absent ? Shape() : shape_of(graph, coupling, widths, input));
    count += node.op->flops(inputs, shape_of(graph, coupling, widths, node.output));
  }
  return static_cast<double>(count);
}

}  // namespace espalier
