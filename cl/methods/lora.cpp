#include "cl/methods/lora.h"

#include "cl/purposes.h"
#include "engine/error.h"
#include "nn/lora.h"

namespace espalier {

Lora::Lora(const LearnConfig& config) : ExperienceReplay(config) {
  if (config.network == "mlp")
    argument_error("make_method", "network", "'mlp'", "a Vision Transformer for method 'lora'", "");
}

void Lora::shape(Learner& learner) {
  if (learner.task == 0 || adapted_) return;
  adapted_ = true;
  auto& model = dynamic_cast<VisionTransformer&>(*learner.network);
  Generator generator(learner.seed(adapting));
  add_lora(model,
           {.rank = learner.config.lora_rank,
            .alpha = 2.0 * static_cast<double>(learner.config.lora_rank)},
           generator);
  renew_optimizer(learner, lora_and_head);
}

}  // namespace espalier
