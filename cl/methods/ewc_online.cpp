#include "cl/methods/ewc_online.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/ops/binary.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/reduce.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
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
                const GradientSink& sink, float* squares) {
  sink.arena.fill_(0);
  backward(cross_entropy(network(image), label), {.sink = &sink});
  const float* gradient = sink.arena.data<float>();
  for (int64_t i = 0, count = sink.arena.numel(); i < count; ++i)
    squares[i] += gradient[i] * gradient[i];
}

}  // namespace

Tensor diagonal_fisher(const Learner& learner, const ImageDataset& data) {
  constexpr int64_t most_lanes = 8;  // fixed, so that threads do not change the sums
  const int64_t count = std::min(data.size(), fisher_samples), lanes = std::min(count, most_lanes);
  const ImageDataset some = spread(data, count);
  const Tensor images = normalized(some.images, learner.network->input());
  const Tensor sums = Tensor::zeros({lanes, learner.optimizer->arena().size()});
  const EvaluationScope without_dropout(*learner.network);
  parallel_for(lanes, 1, [&](int64_t lane, int64_t) {
    const GradientSink sink{Tensor::empty({sums.size(1)})};
    for (int64_t i = lane; i < count; i += lanes)
      add_square(*learner.network, slice(images, 0, i, i + 1), slice(some.labels, 0, i, i + 1),
                 sink, sums.data<float>() + lane * sums.size(1));
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
