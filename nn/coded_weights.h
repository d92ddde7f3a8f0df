// Models whose linear layers keep their weights in codes of 8 or 4 bits, and everything else in
// floating point: activations and sums too or, where a model is dynamic, all but the products, for
// which each row of activations is rounded as it comes.
//
// A file holds, for each such layer, under the name of its weight:
//
//   <linear>.weight        s8 [out, in], or u8 [out, (in + 1) / 2]: two codes of 4 bits a byte
//   <linear>.weight_scale  f16 [out, groups]
//
// as engine/ops/linear_wq.h takes them, the length of a group in the metadata, and all other
// parameters in f16. Scales and parameters are f32 in memory. A dynamic model has 8 bits and one
// group (engine/ops/linear_dynamic.h).
#pragma once

#include "engine/graph.h"

namespace espalier {

// Metadata: the inputs that share a scale; as many as there are where it is 0.
constexpr const char* group_size_key = "espalier.group_size";

// The graph with the layers whose weights `parameters` holds codes of, f32 scales beside them, on
// those. Argument errors: a parameter in codes that no linear layer multiplies with, codes or
// scales that do not fit.
Graph coded_graph(const Graph& graph, const NamedTensors& parameters, int64_t group_size,
                  bool dynamic = false);

// The name of the scales that belong to a weight.
std::string scale_of(const std::string& weight);

}  // namespace espalier
