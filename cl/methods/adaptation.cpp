#include "cl/methods/adaptation.h"

#include "cl/purposes.h"
#include "engine/error.h"

namespace espalier {

Adaptation::Adaptation(const LearnConfig& config) : ExperienceReplay(config) {
  if (config.network == "mlp")
    argument_error("make_method", "network", "'mlp'",
                   "a Vision Transformer for method '" + config.method + "'", "");
}

void Adaptation::shape(Learner& learner) {
  if (learner.task == 0 || adapted_) return;
  adapted_ = true;
  Generator generator(learner.seed(adapting));
  const ParameterPolicy policy = adapt(learner, generator);
  renew_optimizer(learner, policy);
}

}  // namespace espalier
