// Sensitivity: which layers of an encoder bear coarse weights, and which do not.
#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"

namespace espalier {

struct LayerSensitivity {
  std::string layer;  // a linear one
  int64_t weights = 0;
  // dB of the model's logits, as fidelity() has them, when this layer's weights alone are rounded
  // to symmetric codes of their channel: of 8 bits, -127 to 127, and of 4, -7 to 7.
  double with_8_bits = 0, with_4_bits = 0;
};

// Every linear layer of the encoder, the most sensitive to 4 bits first; `graph` is the fp32
// model's. Compiles and runs it over `inputs` [N, sample...] twice a layer. Argument errors: a
// graph without encoder blocks, or with weights that are not constants.
std::vector<LayerSensitivity> sensitivity(const Graph& graph, const Tensor& inputs);

}  // namespace espalier
