#include "cl/methods/teacher.h"

#include "engine/autograd.h"

namespace espalier {

void Teacher::copy(const Learner& learner, const NamedTensors& weights) {
  if (!network_) {
    network_ = make_network(learner.config, learner.stream);
    network_->to(learner.device);
  }
  network_->load_state_dict(weights);
  network_->eval();
}

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
