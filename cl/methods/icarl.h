// iCaRL (Rebuffi et al., 2017, 1611.07725): a sigmoid for each class, exemplars, and classification
// by the nearest of their means.
//
// Learning (equation 3 and algorithm 3): new rows and exemplars count alike; the loss of a row is
// the sum over the classes so far of a binary cross-entropy, against 1 or 0 for the classes of the
// present task, and against what the former network gave for the older ones. There is no strength
// to it, and as no part of it is a softmax, it does not turn into plain training without memory;
// the paper calls that LwF.MC.
//
// Classification (algorithm 1): -|phi(x) - mu_y|^2, with phi the features that the classifier
// reads, of unit length, and mu_y the mean of those of the exemplars of class y, of unit length
// too. Before there are exemplars, by logits.
//
// Exemplars are whatever the memory holds: with `selection` "herding", the paper's.
#pragma once

#include "cl/methods/method.h"
#include "cl/methods/teacher.h"

namespace espalier {

class Icarl : public Method {
 public:
  explicit Icarl(const LearnConfig&) {}
  bool uses_memory() const override { return true; }
  int draws() const override { return 1; }
  void attach(Learner& learner) override { Teacher::check(learner); }
  void before_task(Learner& learner) override;
  Tensor loss(const Learner& learner, const BatchPart& part) const override;
  Tensor scores(const Learner& learner, const Tensor& images) const override;
  bool survives_pruning() const override { return false; }
  double passes_a_row() const override { return teacher_.taken() ? 4 : 3; }
  NamedTensors state_dict() const override { return teacher_.state_dict(); }
  void load_state_dict(const Learner& learner, const NamedTensors& state) override;

 private:
  Teacher teacher_;
};

}  // namespace espalier
