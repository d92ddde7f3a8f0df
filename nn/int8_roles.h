// Which nodes of a captured graph make up its tokenizer and its encoder blocks, and what each
// becomes in whole numbers.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/graph.h"

namespace espalier {

// What a node becomes in whole numbers.
enum class Int8Role {
  none,         // stays as it is
  conv,         // from codes to codes; those of the ReLU that follows, if one does
  pool,         // of codes
  layer_norm,   // from the stream to codes
  linear,       // from codes to codes
  linear_gelu,  // the same, with the GELU that follows in its table
  add_linear,   // from codes onto the stream
  attention,    // from codes to codes
  absorbed,     // done by the layer before it: a ReLU, a GELU or the addition to the stream
};

constexpr bool is_linear(Int8Role role) noexcept {
  return role == Int8Role::linear || role == Int8Role::linear_gelu || role == Int8Role::add_linear;
}

struct Int8Roles {
  std::vector<Int8Role> of_node;
  // By node, a value: what an add_linear adds to, and what holds an absorbed node's result already.
  std::vector<int> other;
  int tokens = Graph::absent;  // what the last of the convolutions gives, read in fp32
  std::vector<int> stream;     // what becomes the stream first, and every sum on it that follows

  bool on_stream(int value) const;
  // What a node gives, or the node after it that it does too.
  int result_of(const Graph& graph, const Graph::Node& node) const;
};

// Layers that stay in floats, by their names or by what their names begin with before a dot:
// "tokenizer", "blocks.0.attention", "blocks.3". Attention and MLP of a block stay or go whole.
using KeptLayers = std::set<std::string>;

// A part of a model that has a form in whole numbers by itself: the tokenizer, or a branch that
// adds to the residual stream.
struct Int8Part {
  std::string name;  // as KeptLayers takes it
  std::string norm;  // the layer norm of a branch; empty of a tokenizer
  bool holds(const std::string& layer) const;
};
// In the order of the graph; no tokenizer where it does not begin with convolutions.
std::vector<Int8Part> int8_parts(const Graph& graph);

// Finds the encoder blocks of a graph, and the convolutions that its input goes through first, each
// with a ReLU and a max-pooling behind it or without. Argument errors: no block at all, none that
// `kept` leaves, a name in it that is no part of the model, or a block with an operation that has
// no form in whole numbers.
Int8Roles int8_roles(const Graph& graph, const KeptLayers& kept = {});

}  // namespace espalier
