// Conversion of a calibrated model to whole numbers: the parameters that int8_graph() takes.
#pragma once

#include "compress/int8_scales.h"

namespace espalier {

// A weight in symmetric codes of its output channels (Krishnamoorthi, 2018, section 2.1).
struct WeightCodes {
  Tensor codes;  // s8 [N, ...], in [-127, 127]
  Tensor scale;  // f32 [N]: the largest magnitude of the channel / 127, or 1 where all are zero
};
// weight: f32 [N, ...]. A numeric error where a number is not finite.
WeightCodes weight_codes(const Tensor& weight);
// The scale alone, for codes from -codes to codes.
Tensor weight_scale(const Tensor& weight, float codes = 127);

// Weights become codes as above, activations the codes of `scales` (Jacob et al., 2018). Argument
// errors: a graph without encoder blocks, or with weights that are not constants.
NamedTensors convert_int8(const Graph& graph, const Int8Scales& scales);
// With the scales that observers choose.
NamedTensors convert_int8(const Graph& graph, const Observers& observers);
// With the smallest and largest values that a run over `inputs` [N, sample...] shows.
NamedTensors convert_int8(const Graph& graph, const Tensor& inputs);

}  // namespace espalier
