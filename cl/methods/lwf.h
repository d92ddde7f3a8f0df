// Learning without forgetting (Li and Hoiem, 2016, 1606.09282): on the new images the network shall
// go on saying of the old classes what it said before the task began,
//
//   CE(new rows) + lambda * distillation(logits, the former network's; old classes, temperature)
//
// with the loss of nn/distillation.h among the old classes alone (its factor temperature^2 is
// Hinton's, which the paper leaves out). With one classifier for all classes, cross-entropy runs
// over all of them. Nothing is replayed. Of the configuration, `lambda` and `temperature`.
#pragma once

#include "cl/methods/method.h"
#include "cl/methods/teacher.h"

namespace espalier {

class LearningWithoutForgetting : public Method {
 public:
  explicit LearningWithoutForgetting(const LearnConfig& config)
      : lambda_(config.lambda), temperature_(config.temperature) {}
  void attach(Learner& learner) override;
  void before_task(Learner& learner) override;
  Tensor loss(const Learner& learner, const BatchPart& part) const override;
  bool survives_pruning() const override { return false; }
  double passes_a_row() const override { return teacher_.taken() ? 4 : 3; }
  NamedTensors state_dict() const override { return teacher_.state_dict(); }
  void load_state_dict(const Learner& learner, const NamedTensors& state) override;

 private:
  const double lambda_, temperature_;
  Teacher teacher_;
};

}  // namespace espalier
