// Training on the memory alone, after a network has lost channels.
#pragma once

#include "cl/learner.h"

namespace espalier {

// Whether the memory holds images, as other methods than that of latent replay do.
bool holds_images(const Learner& learner);

// `count` of the memory's images, or all where it has fewer, chosen by a random number `draw` of
// `purpose`. They are all that a learner still has of earlier tasks: whatever wants images of those
// (calibration, gradients) gets these. Argument errors: no images in memory.
ImageDataset images_of_memory(const Learner& learner, int64_t count, uint64_t purpose,
                              uint64_t draw);

struct Recovery {
  int64_t rows = 0;  // that went through the network
  double loss = 0;   // of the last step; training ended where it, or a gradient, was not finite
};
// Takes `epochs` times as many steps as the memory holds batches of config.replay_batch, each on a
// batch that is drawn from it, by cross-entropy. Nothing is written to the memory. The steps'
// random numbers are functions of learner.task, so it is called once a task. An argument error
// without images in memory; an empty memory takes no step.
Recovery recover_from_memory(Learner& learner, int64_t epochs);

}  // namespace espalier
