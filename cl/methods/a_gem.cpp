#include "cl/methods/a_gem.h"

#include "cl/purposes.h"
#include "engine/device_scope.h"
#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"

namespace espalier {
namespace {

// Different samples of earlier tasks, as many as a draw takes or there are.
std::vector<int64_t> draw_past(const Learner& learner) {
  std::vector<int64_t> past;
  for (int64_t slot = 0; slot < learner.memory->size(); ++slot)
    if (learner.memory->task(slot) < learner.task) past.push_back(slot);
  const auto held = static_cast<int64_t>(past.size());
  Generator generator(derive_seed(learner.seed(drawing), static_cast<uint64_t>(learner.step)));
  std::vector<int64_t> drawn;
  for (int64_t i :
       sample_without_replacement(held, std::min(held, learner.config.replay_batch), generator))
    drawn.push_back(past[static_cast<size_t>(i)]);
  return drawn;
}

}  // namespace

void project(const Tensor& gradient, const Tensor& reference) {
  const double along = sum(mul(gradient, reference)).item();
  const double square = sum(mul(reference, reference)).item();
  if (along < 0 && square > 0) gradient.copy_(sub(gradient, mul(reference, along / square)));
}

void AveragedGem::adjust_gradients(Learner& learner, const StepBatch&) {
  StepBatch past;
  add_rows(learner, draw_past(learner), past);
  if (past.groups.empty()) return;
  const Tensor& gradients = learner.optimizer->arena().gradients();
  const DeviceScope there(learner.device);
  const Tensor reference = Tensor::zeros(gradients.shape());
  add_gradients(
      learner, past, {1}, [&](const BatchPart& part) { return loss(learner, part); }, reference);
  project(gradients, reference);
  learner.spend(past.rows(), 3);
}

}  // namespace espalier
