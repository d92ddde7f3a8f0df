#include "cl/methods/lwf.h"

#include "cl/methods/classes.h"
#include "engine/ops/binary.h"
#include "nn/distillation.h"

namespace espalier {

void LearningWithoutForgetting::attach(Learner& learner) {
  if (lambda_ > 0) Teacher::check(learner);
}

void LearningWithoutForgetting::before_task(Learner& learner) {
  if (lambda_ > 0 && learner.task > 0) teacher_.take(learner);
}

Tensor LearningWithoutForgetting::loss(const Learner& learner, const BatchPart& part) const {
  const Tensor of_labels = Method::loss(learner, part);
  if (!teacher_.taken()) return of_labels;
  const ClassSet old = classes_of_first(learner.stream, learner.task);
  const Tensor targets = soft_targets(among(teacher_.logits(part.inputs()), old), temperature_);
  const Tensor of_teacher = distillation_loss(among(part.logits, old), targets, temperature_);
  return add(of_labels, mul(of_teacher, lambda_));
}

void LearningWithoutForgetting::load_state_dict(const Learner& learner, const NamedTensors& state) {
  teacher_.load_state_dict(learner, state);
}

}  // namespace espalier
