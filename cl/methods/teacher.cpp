#include "cl/methods/teacher.h"

#include "engine/autograd.h"
#include "engine/error.h"
#include "nn/mlp_classifier.h"
#include "nn/vit.h"

namespace espalier {
namespace {

// Null where the network is no N.
template <class N>
std::unique_ptr<StagedModule> shaped_as(const StagedModule& network) {
  const auto* model = dynamic_cast<const N*>(&network);
  Generator unused;
  return model ? std::make_unique<N>(model->config, unused) : nullptr;
}

}  // namespace

void Teacher::copy(const Learner& learner, const NamedTensors& weights) {
  if (!network_) {
    network_ = shaped_as<VisionTransformer>(*learner.network);
    if (!network_) network_ = shaped_as<MlpClassifier>(*learner.network);
    if (!network_)
      argument_error("Teacher", "network", "of another kind",
                     "a Vision Transformer or a perceptron", "the method learns from a copy of it");
    network_->to(learner.device);
  }
  network_->load_state_dict(weights);
  network_->eval();
}

void Teacher::check(const Learner& learner) { Teacher().take(learner); }

void Teacher::take(const Learner& learner) { copy(learner, learner.network->state_dict()); }

Tensor Teacher::logits(const Tensor& images) const {
  const NoGradGuard off;
  return (*network_)(images);
}

NamedTensors Teacher::state_dict() const {
  return network_ ? network_->state_dict() : NamedTensors{};
}

void Teacher::load_state_dict(const Learner& learner, const NamedTensors& state) {
  if (!state.empty()) copy(learner, state);
}

}  // namespace espalier
