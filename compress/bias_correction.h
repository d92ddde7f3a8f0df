// Bias correction: rounding weights and activations shifts what a layer gives, on average; the mean
// of that error goes into its bias, so that nobody need train again.
#pragma once

#include "engine/graph.h"

namespace espalier {

// Nagel et al. (1906.04721), section 4.2, empirically: over the calibration inputs
//
//   b' = b - E[W^ x^ + b^ - (W x + b)]        (^: in whole numbers)
//
// for each linear layer of the encoder, channel by channel, the means over all samples and tokens.
// A linear layer's mean follows from its input's, so the error is that of the sums, before they are
// rounded and saturated. Convolutions keep their biases. Layers are taken in the order of the
// graph, and each sees what the layers before it give with their biases corrected: what one leaves
// of an error is not counted again where it was put right.
//
// `graph` is the fp32 model's, `parameters` those of convert_int8() for it; the result has other
// biases and is the same in all else. Runs the fp32 model once over `inputs` [N, sample...], and
// the integer one up to each layer.
NamedTensors correct_biases(const Graph& graph, const NamedTensors& parameters,
                            const Tensor& inputs);

}  // namespace espalier
