#include "engine/early_slice.h"

#include <algorithm>
#include <cstring>

namespace espalier {
namespace {

// Rows [start, end) of dimension dim.
struct Range {
  BatchDim dim, start, end;
  friend bool operator==(const Range&, const Range&) = default;
};

bool is_slice(const Graph::Node& node) { return is_op(node, "slice"); }

Range range_of(const Graph::Node& slice) {
  return {attribute<BatchDim>(slice, "dim"), attribute<BatchDim>(slice, "start"),
          attribute<BatchDim>(slice, "end")};
}

class Mover {
 public:
  explicit Mover(Graph graph) : graph_(std::move(graph)) {}

  Graph run() {
    while (merge_twins() || move_one()) {
    }
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      value(graph_.nodes[n].output).producer = static_cast<int>(n);
    return std::move(graph_);
  }

 private:
  Graph::Value& value(int number) { return graph_.values[static_cast<size_t>(number)]; }

  std::vector<size_t> readers(int number) const {
    std::vector<size_t> out;
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      for (int input : graph_.nodes[n].inputs)
        if (input == number) out.push_back(n);
    return out;
  }

  // Two equal slices of one value become one. True where there were two.
  bool merge_twins() {
    auto& nodes = graph_.nodes;
    for (size_t a = 0; a < nodes.size(); ++a)
      for (size_t b = a + 1; b < nodes.size(); ++b) {
        if (!is_slice(nodes[a]) || !is_slice(nodes[b]) || nodes[a].inputs != nodes[b].inputs ||
            !(range_of(nodes[a]) == range_of(nodes[b])))
          continue;
        for (Graph::Node& node : nodes)
          std::replace(node.inputs.begin(), node.inputs.end(), nodes[b].output, nodes[a].output);
        if (graph_.output == nodes[b].output) graph_.output = nodes[a].output;
        nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(b));
        return true;
      }
    return false;
  }

  // Moves one slice above the node whose result it reads, or into it. False where none can move.
  bool move_one() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Graph::Node& node = graph_.nodes[n];
      const std::vector<size_t> users = readers(node.output);
      if (users.size() != 1 || !is_slice(graph_.nodes[users[0]]) || graph_.output == node.output)
        continue;
      const Range range = range_of(graph_.nodes[users[0]]);
      const auto dim = static_cast<size_t>(range.dim.fixed), rank = value(node.output).shape.size();
      if (node.op->leading_rows && dim + 2 == rank && range.start == BatchDim{0, 0}) {
        shorten(n, users[0]);
        return true;
      }
      if (node.op->row_inputs == 0 || dim + 1 == rank) continue;  // not of whole rows
      move(n, users[0], dim);
      return true;
    }
    return false;
  }

  // Node n gives what the slice leaves of it.
  void shorten(size_t n, size_t slice_at) {
    graph_.nodes[n].output = graph_.nodes[slice_at].output;
    graph_.nodes.erase(graph_.nodes.begin() + static_cast<std::ptrdiff_t>(slice_at));
  }

  void move(size_t n, size_t slice_at, size_t dim) {
    const Graph::Node slice = graph_.nodes[slice_at];
    Graph::Node moved = graph_.nodes[n];
    const size_t rank = value(moved.output).shape.size();
    std::vector<Graph::Node> before;
    for (size_t i = 0; i < std::min(moved.op->row_inputs, moved.inputs.size()); ++i) {
      const BatchShape& shape = value(moved.inputs[i]).shape;
      const size_t missing = rank - shape.size();
      if (dim < missing || shape[dim - missing] == BatchDim{0, 1}) continue;  // broadcast
      before.push_back(sliced(slice, moved.inputs[i], static_cast<int64_t>(dim - missing)));
      moved.inputs[i] = before.back().output;
    }
    moved.output = slice.output;
    auto& nodes = graph_.nodes;
    nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(slice_at));
    nodes[n] = std::move(moved);
    nodes.insert(nodes.begin() + static_cast<std::ptrdiff_t>(n), before.begin(), before.end());
  }

  // `slice`, but of dimension `dim` of `input`.
  Graph::Node sliced(const Graph::Node& slice, int input, int64_t dim) {
    Graph::Node node = slice;
    for (Graph::Attribute& attribute : node.attributes)
      if (std::strcmp(attribute.name, "dim") == 0) attribute.value = BatchDim{0, dim};
    Graph::Value output{value(input).shape, value(input).dtype};
    const Range range = range_of(slice);
    output.shape[static_cast<size_t>(dim)] = {range.end.per_sample - range.start.per_sample,
                                              range.end.fixed - range.start.fixed};
    node.inputs = {input};
    node.output = static_cast<int>(graph_.values.size());
    graph_.values.push_back(std::move(output));
    return node;
  }

  Graph graph_;
};

}  // namespace

Graph slice_early(Graph graph) { return Mover(std::move(graph)).run(); }

}  // namespace espalier
