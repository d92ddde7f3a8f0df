#include "cl/methods/frozen.h"

namespace espalier {

void FrozenTrunk::shape(Learner& learner) {
  if (learner.task == 0 || frozen_) return;
  frozen_ = true;
  // The classifier is the last module, whatever a network calls it.
  const std::string last = learner.network->named_parameters().back().first;
  const std::string classifier = last.substr(0, last.rfind('.') + 1);
  renew_optimizer(learner, [classifier](const std::string& name, const Tensor& parameter) {
    ParameterOptions options = decay_matrices(name, parameter);
    options.frozen = !name.starts_with(classifier);
    return options;
  });
}

}  // namespace espalier
