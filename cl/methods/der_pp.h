// DER++ (Buzzega et al., 2020, 2004.07211, equation 5): dark experience replay with the labels of
// another draw from memory,
//
//   CE(new rows) + alpha * MSE(logits, kept logits) + beta * CE(second draw)
//
// Of the configuration, `alpha` and `beta`.
#pragma once

#include "cl/methods/der.h"

namespace espalier {

class DarkReplayWithLabels : public DarkReplay {
 public:
  explicit DarkReplayWithLabels(const LearnConfig& config)
      : DarkReplay(config), beta_(config.beta) {}
  int draws() const override { return DarkReplay::draws() + (beta_ > 0); }
  double weight(const StepBatch& batch, size_t group) const override;
  Tensor loss(const Learner& learner, const BatchPart& part) const override;

 private:
  // Whether it is the draw that follows those of DER.
  bool labelled(size_t group) const { return static_cast<int>(group) == DarkReplay::draws() + 1; }

  const double beta_;
};

}  // namespace espalier
