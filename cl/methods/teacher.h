// The network as an earlier task left it, for methods that learn from it.
#pragma once

#include "cl/learner.h"

namespace espalier {

class Teacher {
 public:
  // For a method's attach(), before anything is learned: an argument error where the learner's
  // network is none that take() can copy.
  static void check(const Learner& learner);
  // The network as it is now, copied: a Vision Transformer or a perceptron, with nothing added.
  void take(const Learner& learner);
  bool taken() const noexcept { return network_ != nullptr; }
  // What it gives for prepared images, in evaluation mode and off the tape: [N, classes]. Threads
  // may call it at once.
  Tensor logits(const Tensor& images) const;

  // Its weights, none before take().
  NamedTensors state_dict() const;
  void load_state_dict(const Learner& learner, const NamedTensors& state);

 private:
  void copy(const Learner& learner, const NamedTensors& weights);

  std::unique_ptr<StagedModule> network_;
};

}  // namespace espalier
