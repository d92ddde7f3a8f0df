// Dark experience replay (Buzzega et al., 2020, 2004.07211, equation 4): what the network gives for
// a sample from memory shall stay what it gave when it was kept,
//
//   CE(new rows) + alpha * MSE(logits, kept logits)
//
// where the squared error is the mean over all elements, as in the authors' code. That code offers
// the memory each batch of every epoch, and so keeps logits of later ones too; here a sample is
// offered once, and its logits are those of the first epoch of its task. Of the configuration,
// `alpha`.
#pragma once

#include "cl/methods/method.h"

namespace espalier {

class DarkReplay : public Method {
 public:
  explicit DarkReplay(const LearnConfig& config) : alpha_(config.alpha) {}
  bool uses_memory() const override { return true; }
  int draws() const override { return alpha_ > 0; }
  bool keeps_logits() const override { return true; }
  double weight(const StepBatch& batch, size_t group) const override;
  Tensor loss(const Learner& learner, const BatchPart& part) const override;

 private:
  const double alpha_;
};

}  // namespace espalier
