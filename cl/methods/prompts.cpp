#include "cl/methods/prompts.h"

#include "cl/ledger.h"
#include "cl/network_features.h"
#include "engine/ops/binary.h"
#include "nn/prompts.h"

namespace espalier {
namespace {

// Null before the second task.
const PromptedTransformer* prompted(const Learner& learner) {
  return dynamic_cast<const PromptedTransformer*>(learner.network.get());
}

}  // namespace

ParameterPolicy PromptReplay::adapt(Learner& learner, Generator& generator) {
  auto& trunk = dynamic_cast<VisionTransformer&>(*learner.network.release());
  const LearnConfig& c = learner.config;
  learner.network = std::make_unique<PromptedTransformer>(
      std::unique_ptr<VisionTransformer>(&trunk),
      PromptOptions{.pool = c.prompt_pool, .length = c.prompt_length, .chosen = c.prompts_chosen},
      generator);
  learner.entry = 1;
  return prompts_and_head;
}

Tensor PromptReplay::loss(const Learner& learner, const BatchPart& part) const {
  const Tensor of_labels = Adaptation::loss(learner, part);
  const PromptedTransformer* network = prompted(learner);
  return network ? add(of_labels, mul(network->pull(part.inputs()), learner.config.lambda))
                 : of_labels;
}

Tensor PromptReplay::scores(const Learner& learner, const Tensor& images) const {
  // A graph has no branches, and which prompts are read is one.
  return prompted(learner) ? logits_of_features(learner, features_of(learner, images))
                           : Adaptation::scores(learner, images);
}

// A row's query takes one pass of the trunk; only what follows the choice is learned through.
double PromptReplay::work_of_row(Learner& learner) const {
  if (!prompted(learner)) return Adaptation::work_of_row(learner);
  StagedModule& network = *learner.network;
  return multiply_accumulates(network, 0, 1) / passes_a_row() +
         multiply_accumulates(network, 2, network.stages());
}

}  // namespace espalier
