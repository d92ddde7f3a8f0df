// Equalisation: a factor a channel moves from one layer to the next, so that the channels of what
// is rounded between them reach about as far, and the model gives what it gave.
#pragma once

#include <vector>

#include "engine/graph.h"

namespace espalier {

// Two layers of a graph through which a positive factor of each channel passes: what the first
// gives is divided by it, what the second multiplies it with is multiplied by it (Nagel et al.,
// 1906.04721, section 4.1). GELU lets no factor pass, so in our blocks they are
//
//   layer_norm (gamma, beta)        -> every linear that reads it: qkv, fc1
//   the v channels of a projection  -> the linear behind the attention, which is linear in v
//
// and a layer_norm whose result is read by anything else, or by the outside, is in none.
struct EqualizedPair {
  int from;             // node: a layer_norm, or the linear whose v channels they are
  std::vector<int> to;  // nodes: linear layers
  int between;          // the value that `to` read
};
// Pairs whose weights are constants of these layers alone, in the order of the graph.
std::vector<EqualizedPair> equalized_pairs(const Graph& graph);

// The graph with weights of its own where they changed; the module keeps its weights. Channel j of
// each pair has the factor of SmoothQuant (Xiao et al., 2211.10438, equation 4),
//
//   s_j = max |X_j|^alpha / max |W_j|^(1 - alpha)
//
// with X between the two layers, over `inputs` [N, sample...], and W_j the columns of all weights
// that read it; 1 where either is zero. At alpha 1/2 this is Nagel's equation 11 with the range of
// X for that of the first weight. Argument errors: alpha outside [0, 1]; a graph without a pair.
Graph equalize(const Graph& graph, const Tensor& inputs, double alpha = 0.5);

}  // namespace espalier
