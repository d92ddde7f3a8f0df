#include "bench/training_step.h"

#include <chrono>

#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/train_step.h"

namespace espalier::bench {
namespace {

// A model, its optimiser and one batch that it sees again and again.
class Step {
 public:
  explicit Step(const TrainConfig& config)
      : config_(config),
        model_(config.model, generator_),
        optimizer_(model_.named_parameters()),
        average_(optimizer_.arena(), config.ema_decay),
        images_(normal(config.model.batch_shape(config.batch_size), generator_)),
        labels_(Tensor::empty({config.batch_size}, DType::s64)) {
    for (int64_t i = 0; i < config.batch_size; ++i)
      labels_.data<int64_t>()[i] = generator_.below(config.model.classes);
  }

  // Seconds taken.
  double run() {
    const auto start = std::chrono::steady_clock::now();
    optimizer_.zero_grad();
    const auto loss = [&](int64_t begin, int64_t end) {
      return cross_entropy(model_(slice(images_, 0, begin, end)), slice(labels_, 0, begin, end),
                           config_.label_smoothing);
    };
    accumulate_gradients(config_.batch_size, config_.chunk_size, 0, optimizer_.arena().gradients(),
                         loss, precision_of(config_));
    optimizer_.clip_grad_norm(1);
    optimizer_.step(&average_);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  const TrainConfig config_;
  Generator generator_{1};
  VisionTransformer model_;
  AdamW optimizer_;
  WeightAverage average_;
  Tensor images_, labels_;
};

}  // namespace

TrainingStepResult measure_training_step(const TrainConfig& config, int steps) {
  Step step(config);
  step.run();
  TrainingStepResult result;
  for (int i = 0; i < steps; ++i) result.seconds.push_back(step.run());
  profiler::start();
  result.profiled_seconds = step.run();
  result.operations = profiler::totals(profiler::stop());
  return result;
}

}  // namespace espalier::bench
