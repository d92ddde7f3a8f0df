// Learning from another model's logits (Hinton et al., 2015, 1503.02531, section 2).
#pragma once

#include "engine/tensor.h"

namespace espalier {

// softmax(logits / temperature): what a student learns from. logits: [B, C], not on the tape.
Tensor soft_targets(const Tensor& logits, double temperature);

// The mean over rows of temperature^2 times the cross-entropy of softmax(student / temperature)
// against `targets`, the teacher's soft targets at that temperature, both [B, C]. The square keeps
// its gradient as large as that of a loss on labels at any temperature. Differentiable in student.
Tensor distillation_loss(const Tensor& student, const Tensor& targets, double temperature);

}  // namespace espalier
