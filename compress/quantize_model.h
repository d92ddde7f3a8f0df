// Whole numbers without training: what can be chosen, in one place.
#pragma once

#include <optional>
#include <string>

#include "compress/int8_scales.h"

namespace espalier {

struct QuantizeOptions {
  std::string observer = "min_max";  // as observer_factory() knows it
  std::optional<double> equalize{};  // alpha; the model stays as it is without
  bool bias_correction = false;
  KeptLayers keep{};  // what stays in floats
};

struct IntegerModel {
  Int8Scales scales;        // of the activations, as observed
  Graph graph;              // in fp32, equalised where that was wanted
  NamedTensors parameters;  // of int8_graph() for it
};

// Equalises, then converts by what `inputs` [N, sample...] show, then corrects biases.
IntegerModel quantize_model(const Graph& graph, const Tensor& inputs, const QuantizeOptions& how);

}  // namespace espalier
