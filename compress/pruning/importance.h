// How much each channel of a model matters.
#pragma once

#include <cstdint>

#include "compress/pruning/coupling.h"
#include "engine/tensor.h"
#include "kernels/function_ref.h"

namespace espalier {

// For each group, a score for each of its channels; the least is removed first.
using ChannelScores = std::vector<std::vector<double>>;

// Adds up what the elements of a channel have in `saliency`, over all members of its group, and
// divides by the group's mean: the relative score of Fang et al., 2023 (2301.12900, section 3.4),
// with which groups of unlike sizes can be ranked together. `saliency` holds f32 tensors shaped as
// the parameters, by their names; an argument error names one that is missing or does not fit.
ChannelScores channel_scores(const Coupling& coupling, const NamedTensors& saliency);

// Saliencies of single elements w of parameters: |w| and w^2.
NamedTensors l1_saliency(const NamedTensors& parameters);
NamedTensors l2_saliency(const NamedTensors& parameters);
// First-order Taylor: (g w)^2, the squared change of the loss for want of w (Molchanov et al.,
// 2019, 1906.10771, equation 8), summed over `batches`. loss(b) is the mean loss of batch b, on the
// tape of these parameters. Their gradients are zero afterwards.
NamedTensors taylor_saliency(const NamedTensors& parameters, int64_t batches,
                             FunctionRef<Tensor(int64_t batch)> loss);

// Uniform numbers of Philox, the control for the others.
ChannelScores random_scores(const Coupling& coupling, uint64_t seed);

}  // namespace espalier
