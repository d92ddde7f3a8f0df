#include "cl/methods/adaptation.h"

#include "cl/purposes.h"
#include "engine/error.h"
#include "nn/vit.h"

namespace espalier {

void Adaptation::attach(Learner& learner) {
  if (!dynamic_cast<const VisionTransformer*>(learner.network.get()))
    argument_error("ContinualTrainer", "network", "of another kind",
                   "a Vision Transformer for method '" + learner.config.method + "'",
                   "'vit-tiny' is one");
}

void Adaptation::shape(Learner& learner) {
  if (learner.task == 0 || adapted_) return;
  adapted_ = true;
  Generator generator(learner.seed(adapting));
  const ParameterPolicy policy = adapt(learner, generator);
  renew_optimizer(learner, policy);
}

}  // namespace espalier
