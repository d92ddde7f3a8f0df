// Experience replay through prompts (nn/prompts.h; Wang et al., 2021, 2112.08654, equation 5, with
// a memory as its L2P-R): the first task trains the whole network; every later one a pool of
// prompts, their keys and the head,
//
//   CE(rows) + lambda * mean over rows of sum_i gamma(q(x), k_{s_i})
//
// An image's tokens and its query are made once a step, without dropout. For Vision Transformers;
// of the configuration `prompt_pool`, `prompt_length`, `prompts_chosen`, and `lambda` (0.5 in the
// paper).
#pragma once

#include "cl/methods/adaptation.h"

namespace espalier {

class PromptReplay : public Adaptation {
 public:
  using Adaptation::Adaptation;
  Tensor loss(const Learner& learner, const BatchPart& part) const override;
  Tensor scores(const Learner& learner, const Tensor& images) const override;
  double work_of_row(Learner& learner) const override;
  bool survives_pruning() const override { return false; }

 protected:
  ParameterPolicy adapt(Learner& learner, Generator& generator) override;
};

}  // namespace espalier
