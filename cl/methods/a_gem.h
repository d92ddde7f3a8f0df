// Averaged gradient episodic memory (Chaudhry et al., 2018, 1812.00420, equation 11): a step must
// not raise the loss on memory. Where the gradient g opposes the gradient r of a draw from the
// memory of earlier tasks, its part along r is taken away,
//
//   g - (g.r / r.r) r   where g.r < 0
//
// Samples of the present task may be in memory but take no part in r, as in the paper.
#pragma once

#include "cl/methods/method.h"

namespace espalier {

class AveragedGem : public Method {
 public:
  explicit AveragedGem(const LearnConfig&) {}
  bool uses_memory() const override { return true; }
  void adjust_gradients(Learner& learner, const StepBatch& batch) override;
};

// Equation 11, in place: two flat f32 arrays of one length.
void project(const Tensor& gradient, const Tensor& reference);

}  // namespace espalier
