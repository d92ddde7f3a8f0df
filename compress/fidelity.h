// How far a compressed model's logits lie from the original's.
#pragma once

#include "engine/tensor.h"

namespace espalier {

struct Fidelity {
  double signal_to_noise = 0;     // dB: 10 log10(sum of squares / sum of squared differences)
  double largest_difference = 0;  // of two logits
  double agreement = 0;           // share of rows whose largest logit is the same one
};

// logits, reference: f32 [N, classes], N >= 1.
Fidelity fidelity(const Tensor& logits, const Tensor& reference);

}  // namespace espalier
