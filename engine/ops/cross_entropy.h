#pragma once

#include "engine/tensor.h"

namespace espalier {

// The mean over rows of -sum_j q_j log softmax(logits)_j, a scalar. logits: f32 or f64 [B, C] with
// B, C >= 1. targets: s64 [B] with class indices in [0, C), or probabilities [B, C] of logits'
// dtype (mixtures of labels, a teacher's softmax). q is the target after label smoothing in [0, 1]:
// (1 - label_smoothing) p + label_smoothing / C. Differentiable in logits; targets take no
// gradient.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, double label_smoothing = 0);

}  // namespace espalier
