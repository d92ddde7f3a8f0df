// Which nodes of a captured graph make up its tokenizer and its encoder blocks, and what each
// becomes in whole numbers.
#pragma once

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
  int entry = Graph::absent;   // the value that becomes the stream
  std::vector<int> stream;     // it, and every sum that follows

  // What a node gives, or the node after it that it does too.
  int result_of(const Graph& graph, const Graph::Node& node) const;
};

// Finds the encoder blocks of a graph and, with `tokenizer`, the convolutions that its input goes
// through first, each with a ReLU and a max-pooling behind it or without. Argument errors: no block
// at all, or one with an operation that has no form in whole numbers.
Int8Roles int8_roles(const Graph& graph, bool tokenizer = true);

}  // namespace espalier
