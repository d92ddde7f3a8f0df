#include "cl/recovery.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cl/purposes.h"
#include "engine/error.h"
#include "engine/ops/cross_entropy.h"

namespace espalier {
namespace {

void check_memory(const char* function, const Learner& learner) {
  if (!holds_images(learner))
    argument_error(function, "memory", "without images",
                   "a method that keeps images of earlier tasks, such as 'er'", "");
}

// One step on `batch`; the loss, not finite where a gradient is not.
double recovery_step(Learner& learner, StepBatch& batch) {
  Optimizer& optimizer = *learner.optimizer;
  optimizer.zero_grad();
  const double loss = add_gradients(
      learner, batch, {1.0},
      [](const BatchPart& part) { return cross_entropy(part.logits, part.labels()); },
      optimizer.arena().gradients());
  if (!std::isfinite(loss) || !clip_gradients(learner))
    return std::numeric_limits<double>::quiet_NaN();
  optimizer.step();
  return loss;
}

}  // namespace

bool holds_images(const Learner& learner) {
  return learner.memory && !is_latent(learner.memory->layout().coding);
}

ImageDataset images_of_memory(const Learner& learner, int64_t count, uint64_t purpose,
                              uint64_t draw) {
  check_memory("images_of_memory", learner);
  const ReplayMemory& memory = *learner.memory;
  count = std::min(count, memory.size());
  Generator generator(learner.seed(purpose), draw);
  const std::vector<int64_t> slots = sample_without_replacement(memory.size(), count, generator);
  const Shape& item = memory.layout().item;
  ImageDataset out{Tensor::empty({count, item[0], item[1], item[2]}, DType::u8),
                   Tensor::empty({count}, DType::s64),
                   learner.stream.tasks.front().train.class_names};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t slot = slots[static_cast<size_t>(i)];
    memory.read_pixels(slot, out.images.data<uint8_t>() + i * item.numel());
    out.labels.data<int64_t>()[i] = memory.label(slot);
  }
  return out;
}

Recovery recover_from_memory(Learner& learner, int64_t epochs) {
  check_memory("recover_from_memory", learner);
  const int64_t stood_at = learner.step, batch_size = learner.config.replay_batch;
  const int64_t steps = epochs * ((learner.memory->size() + batch_size - 1) / batch_size);
  Recovery out;
  for (int64_t i = 0; i < steps && std::isfinite(out.loss); ++i) {
    learner.step = beyond_the_stream * (learner.task + 1) + i;
    StepBatch batch;
    draw_rows(learner, batch_size, 0, batch);
    out.loss = recovery_step(learner, batch);
    out.rows += batch.rows();
  }
  learner.step = stood_at;
  return out;
}

}  // namespace espalier
