// What the network makes of images outside training: for policies and methods that look at features
// or logits of more than the step's rows.
#pragma once

#include "cl/learner.h"

namespace espalier {

// The images u8 [N, H, W, C] of these training samples of the present task, then of these records.
// An argument error where the memory holds latents.
Tensor images_of(const Learner& learner, const std::vector<int64_t>& samples,
                 const std::vector<int64_t>& slots);

// Calls f(i) for each i below `count`: on the CPU on all threads, on a GPU one after another.
void for_each_chunk(Device device, int64_t count, FunctionRef<void(int64_t i)> f);

// Stages [begin, end) of the network, of what enters the first of them: without dropout, off the
// tape, on all threads or on the learner's GPU. What comes and what is returned is on the CPU.
Tensor run_frozen(const Learner& learner, const Tensor& x, int64_t begin, int64_t end);

// What the classifier reads of images u8 [N, H, W, C], N >= 1: f32 [N, F]. As run_frozen(), without
// augmentation.
Tensor features_of(const Learner& learner, const Tensor& images);

// -|a - b|^2 of each row of a [N, F] and b [M, F], all of unit length: [N, M].
Tensor nearness(const Tensor& a, const Tensor& b);

// The logits of such features: f32 [N, classes].
Tensor logits_of_features(const Learner& learner, const Tensor& features);

}  // namespace espalier
