// Gradual pruning: a model in training loses its channels little by little, after the cubic
// schedule of Zhu and Gupta, 2017 (1710.01878), and learns to do without them in between.
#pragma once

#include "compress/pruning/prune.h"

namespace espalier {

struct GradualOptions {
  int64_t times = 5;   // that channels go
  double share = 0.5;  // of the training's steps, by whose end all of them are gone
};

// For a Trainer that begins with `original`. `options.selection.fraction` is where the schedule
// ends, of what `original` costs; channels are ranked anew each time, by the weights of then. All
// that prune_model() refuses for the whole fraction is refused here, before a training begins.
Shrinking gradual_pruning(const VisionTransformer& original, const PruneOptions& options,
                          const GradualOptions& schedule, const ImageDataset& samples);

}  // namespace espalier
