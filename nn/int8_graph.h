// An encoder in whole numbers: a captured graph in which everything between tokenizer and head runs
// on 8-bit codes and a 16-bit residual stream, no fp32 activation between them.
//
// One block (Vaswani et al., 2017; the arithmetic after Jacob et al., 2018):
//
//   stream s16 -> layer_norm_s8 -> linear_s8 -> attention_s8 -> add_linear_s8 -> stream
//   stream s16 -> layer_norm_s8 -> linear_s8 with a table for GELU -> add_linear_s8 -> stream
//
// The numbers that it needs stand under the names of the layers whose work they do:
//
//   stream.scale                  f32 [1]   of the whole residual stream
//   <norm>.weight, <norm>.bias    f32 [D]   as layer_norm_s8() takes them
//   <norm>.scale                  f32 [1]   of its codes
//   <norm>.zero_point             s32 [1]
//   <linear>.weight               s8  [out, in]
//   <linear>.bias                 s32 [out]
//   <linear>.multiplier           f32 [out]
//   <linear>.scale                f32 [1]   of its codes, where it makes codes; [3] of q, k and v
//   <linear>.zero_point           s32 [1]   of its codes, where it makes codes
//   <linear>.table                s8  [256] where GELU follows
//   <linear>.table_scale          f32 [1]   of the codes that the table gives
//   <linear>.table_zero_point     s32 [1]
//   <attention>.scales            f32 [2]   score and multiplier, as attention_s8() takes them
//   <attention>.zero_point        s32 [1]
//
// The scales of codes are for other engines alone (export): files of old lack them and run as well.
#pragma once

#include <vector>

#include "engine/graph.h"

namespace espalier {

// What a node becomes in whole numbers.
enum class Int8Role {
  none,         // stays as it is
  layer_norm,   // from the stream to codes
  linear,       // from codes to codes
  linear_gelu,  // the same, with the GELU that follows in its table
  add_linear,   // from codes onto the stream
  attention,    // from codes to codes
  absorbed,     // done by the linear before it: a GELU or the addition to the stream
};

struct Int8Roles {
  std::vector<Int8Role> of_node;
  // By node, a value: what an add_linear adds to, and what holds an absorbed node's result already.
  std::vector<int> other;
  int entry = Graph::absent;  // the value that becomes the stream
  std::vector<int> stream;    // it, and every sum that follows
};

// Finds the encoder blocks of a graph. Argument errors: no block at all, or one with an operation
// that has no form in whole numbers.
Int8Roles int8_roles(const Graph& graph);

// The graph in whole numbers. `parameters` are those above; what stays in fp32 keeps the graph's
// own constants. Argument errors name a parameter that is absent or does not fit.
Graph int8_graph(const Graph& graph, const NamedTensors& parameters);

}  // namespace espalier
