#include "cl/methods/ewc_online.h"

#include <algorithm>

#include "cl/network_features.h"
#include "engine/autograd.h"
#include "engine/device_scope.h"
#include "engine/ops/binary.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "nn/evaluate.h"

namespace espalier {
namespace {

ImageDataset spread(const ImageDataset& data, int64_t count) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back(i * data.size() / count);
  return data.subset(indices);
}

// squares += gradient^2 of one image, whose gradient goes to `sink`.
void add_square(const StagedModule& network, const Tensor& image, const Tensor& label,
                const GradientSink& sink, const Tensor& squares) {
  sink.arena.fill_(0);
  backward(cross_entropy(network(image), label), {.sink = &sink});
  squares.copy_(add(squares, square(sink.arena)));
}

}  // namespace

Tensor diagonal_fisher(const Learner& learner, const ImageDataset& data) {
  constexpr int64_t most_lanes = 8;  // fixed, so that threads do not change the sums
  const int64_t count = std::min(data.size(), fisher_samples), lanes = std::min(count, most_lanes);
  const ImageDataset some = spread(data, count);
  const Tensor images = normalized(some.images, learner.network->input()).to(learner.device);
  const Tensor labels = some.labels.to(learner.device);
  const DeviceScope there(learner.device);
  const Tensor sums = Tensor::zeros({lanes, learner.optimizer->arena().size()});
  const EvaluationScope without_dropout(*learner.network);
  for_each_chunk(learner.device, lanes, [&](int64_t lane) {
    const GradientSink sink{Tensor::empty({sums.size(1)})};
    for (int64_t i = lane; i < count; i += lanes)
      add_square(*learner.network, slice(images, 0, i, i + 1), slice(labels, 0, i, i + 1), sink,
                 select(sums, 0, lane));
  });
  return div(sum(sums, {0}), static_cast<double>(count));
}

void OnlineEwc::attach(Learner& learner) {
  if (lambda_ == 0) return;
  ParameterArena& arena = learner.optimizer->arena();
  fisher_ = &arena.add_companion("fisher");
  anchor_ = &arena.add_companion("anchor");
}

void OnlineEwc::adjust_gradients(Learner& learner, const StepBatch&) {
  if (lambda_ == 0 || learner.task == 0) return;
  const ParameterArena& arena = learner.optimizer->arena();
  const Tensor pull = mul(mul(*fisher_, sub(arena.values(), *anchor_)), lambda_);
  arena.gradients().copy_(add(arena.gradients(), pull));
}

void OnlineEwc::after_task(Learner& learner) {
  if (lambda_ == 0 || learner.current().train.size() == 0) return;
  fisher_->copy_(add(mul(*fisher_, gamma_), diagonal_fisher(learner, learner.current().train)));
  anchor_->copy_(learner.optimizer->arena().values());
  learner.spend(std::min(learner.current().train.size(), fisher_samples), 3);
}

int64_t OnlineEwc::bytes_kept(const Learner& learner) const {
  return lambda_ == 0 ? 0 : 2 * learner.optimizer->arena().size() * int64_t{sizeof(float)};
}

}  // namespace espalier
