// Weights in codes of 8 or 4 bits, activations in fp32: no images are looked at.
#pragma once

#include "engine/graph.h"

namespace espalier {

struct WeightOnlyOptions {
  int bits = 8;  // or 4
  // Inputs that follow each other and share a scale; 0 for all of a channel. Even where bits is 4.
  int64_t group_size = 0;
};

// The parameters that coded_graph() (nn/coded_weights.h) takes, for every linear layer of `graph`:
// symmetric codes, -127 to 127 or -7 to 7, to the nearest of them. Scales are numbers of binary16,
// as files hold them: the largest magnitude of the group over the largest code or, of 4 bits, the
// one of a few below it that leaves the least squared error. Argument errors: options out of range,
// a weight that is computed; a numeric error where a weight is not finite or out of what binary16
// scales can stand for.
NamedTensors weight_only(const Graph& graph, const WeightOnlyOptions& options);

}  // namespace espalier
