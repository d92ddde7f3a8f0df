#pragma once

#include "engine/tensor.h"

namespace espalier {

// The mean over rows of -sum_j q_j log softmax(logits)_j, a scalar. logits: f32 or f64 [B, C] with
// B, C >= 1. targets: s64 [B] with class indices in [0, C), or probabilities [B, C] of logits'
// dtype (mixtures of labels, a teacher's softmax). q is the target after label smoothing in [0, 1]:
// (1 - label_smoothing) p + label_smoothing / C. Differentiable in logits; targets take no
// gradient. Class indices are checked, unless launches are recorded (engine/launch_graph.h): then
// whoever puts them there checks them.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, double label_smoothing = 0);

// An argument error of `op` unless all of `targets`, s64 of rank 1, are in [0, classes).
void check_class_indices(const char* op, const Tensor& targets, int64_t classes);

}  // namespace espalier
