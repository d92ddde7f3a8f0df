// Conversion of a calibrated model to whole numbers: the parameters that int8_graph() takes.
#pragma once

#include "compress/calibrate.h"

namespace espalier {

// Weights become symmetric codes of their channel (Jacob et al., 2018, with the per-channel scales
// of Krishnamoorthi, 2018, section 2.1), activations affine codes of the observed range; q, k and v
// are symmetric, each with a scale of its own. Argument errors: a graph without encoder blocks, or
// with weights that are not constants.
NamedTensors convert_int8(const Graph& graph, const Observers& observers);
// With the smallest and largest values that a run over `inputs` [N, sample...] shows.
NamedTensors convert_int8(const Graph& graph, const Tensor& inputs);

}  // namespace espalier
