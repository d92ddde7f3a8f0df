#include "engine/graph.h"

#include <cstring>

#include "engine/error.h"

namespace espalier {

bool is_op(const Graph::Node& node, const char* op) { return std::strcmp(node.op->name, op) == 0; }

Shape shape_at(const BatchShape& shape, int64_t batch) {
  Shape out;
  for (const BatchDim& dim : shape) out.push_back(dim.at(batch));
  return out;
}

int64_t bytes_of(const Graph::Value& value, int64_t batch) {
  return shape_at(value.shape, batch).numel() * static_cast<int64_t>(dtype_size(value.dtype));
}

template <class T>
const T& attribute(const Graph::Node& node, const char* name) {
  for (const Graph::Attribute& a : node.attributes)
    if (std::strcmp(a.name, name) == 0)
      if (const T* value = std::get_if<T>(&a.value)) return *value;
  argument_error("graph", node.op->name, std::string("no attribute ") + name, "one", "");
}

template const BatchDim& attribute(const Graph::Node&, const char*);
template const double& attribute(const Graph::Node&, const char*);
template const char* const& attribute(const Graph::Node&, const char*);
template const BatchShape& attribute(const Graph::Node&, const char*);

NodeCost cost_of(const Graph& graph, const Graph::Node& node, int64_t batch) {
  NodeCost cost;
  if (node.op->view) return cost;
  std::vector<Shape> shapes;
  for (int input : node.inputs) {
    if (input == Graph::absent) {
      shapes.emplace_back();
      continue;
    }
    const Graph::Value& value = graph.values[static_cast<size_t>(input)];
    shapes.push_back(shape_at(value.shape, batch));
    cost.bytes_read += bytes_of(value, batch);
  }
  const Graph::Value& output = graph.values[static_cast<size_t>(node.output)];
  cost.bytes_written = bytes_of(output, batch);
  if (node.op->flops) cost.flops = node.op->flops(shapes, shape_at(output.shape, batch));
  return cost;
}

DType arithmetic_of(const Graph& graph, const Graph::Node& node) {
  const auto dtype = [&](int value) { return graph.values[static_cast<size_t>(value)].dtype; };
  if (!is_floating_point(dtype(node.output)))
    for (int input : node.inputs)
      if (input != Graph::absent && dtype(input) == DType::s8) return DType::s8;
  return DType::f32;
}

}  // namespace espalier
