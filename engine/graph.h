// A module as a list of operations: what counting, planning, compiling, rewriting and exporting
// read. No second description of a model exists.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "engine/op.h"

namespace espalier {

// A number that may grow with the batch B: per_sample * B + fixed.
struct BatchDim {
  int64_t per_sample = 0, fixed = 0;
  int64_t at(int64_t batch) const noexcept { return per_sample * batch + fixed; }
  friend bool operator==(const BatchDim&, const BatchDim&) = default;
};
using BatchShape = std::vector<BatchDim>;
Shape shape_at(const BatchShape& shape, int64_t batch);

// Pure data. Nodes stand in an order in which they can run, and values are numbered.
struct Graph {
  static constexpr int absent = -1;

  struct Value {
    BatchShape shape;
    DType dtype = DType::f32;
    int producer = absent;  // the node that makes it; absent for the input and for constants
    // A constant: a parameter (it shares the module's memory) or a number that the module used.
    Tensor constant{};
    std::string name{};  // of a parameter: "blocks.0.norm1.weight"
  };

  struct Attribute {
    const char* name;
    std::variant<BatchDim, double, const char*, BatchShape> value;
  };

  struct Node {
    const Op* op;
    std::vector<Attribute> attributes;
    std::vector<int> inputs;  // values; absent for an operand that was not given
    int output;
    std::string layer;  // the module that called the op, by dotted name: "blocks.0.mlp.fc1"
  };

  std::vector<Value> values;
  std::vector<Node> nodes;
  int input = absent, output = absent;
};

// Whether a node is a call of this operation.
bool is_op(const Graph::Node& node, const char* op);

// The attribute of that name and type; an argument error where the node has none.
template <class T>
const T& attribute(const Graph::Node& node, const char* name);

// What one node costs for a batch. A view costs nothing; any other node reads each input once and
// writes its output once, whatever caches may save.
struct NodeCost {
  int64_t flops = 0, bytes_read = 0, bytes_written = 0;
  int64_t bytes() const noexcept { return bytes_read + bytes_written; }
};
NodeCost cost_of(const Graph& graph, const Graph::Node& node, int64_t batch);

// The type that a node multiplies in: s8 where 8-bit codes make integers, else f32.
DType arithmetic_of(const Graph& graph, const Graph::Node& node);

// Bytes of a value for a batch.
int64_t bytes_of(const Graph::Value& value, int64_t batch);

}  // namespace espalier
