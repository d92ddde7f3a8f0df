#include "bench/training_step.h"

#include <chrono>

#include "bench/hardware.h"
#include "bench/measure.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "nn/train_step.h"

namespace espalier::bench {
namespace {

double seconds_of(TrainingStep& step) {
  const auto start = std::chrono::steady_clock::now();
  step.run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double peak_gops() {
  constexpr int runs = 200;  // some milliseconds
  const PeakLoop loop{DType::f32, isa_limit(), num_threads()};
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < runs; ++i) loop();
  const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
  return runs * loop.operations() / time.count();
}

}  // namespace

TrainingStep::TrainingStep(const VisionTransformer& model, const TrainConfig& config,
                           const Tensor& images, const Tensor& labels)
    : model_(model),
      config_(config),
      images_(images),
      labels_(labels),
      optimizer_(model.named_parameters(), optimizer) {
  if (config.ema_decay > 0) average_.emplace(optimizer_.arena(), config.ema_decay);
}

double TrainingStep::run() {
  optimizer_.zero_grad();
  const auto loss = [&](int64_t begin, int64_t end) {
    return cross_entropy(model_(slice(images_, 0, begin, end)), slice(labels_, 0, begin, end),
                         config_.label_smoothing);
  };
  const double mean =
      accumulate_gradients(images_.size(0), config_.chunk_size, 0, optimizer_.arena().gradients(),
                           loss, {.precision = precision_of(config_)});
  optimizer_.clip_grad_norm(clip_norm);
  optimizer_.step(average_ ? &*average_ : nullptr);
  return mean;
}

TrainingStepResult measure_training_step(const TrainConfig& config, int steps) {
  Generator generator(1);
  const VisionTransformer model(config.model, generator);
  const Tensor images = normal(config.model.batch_shape(config.batch_size), generator);
  const Tensor labels = Tensor::empty({config.batch_size}, DType::s64);
  for (int64_t i = 0; i < config.batch_size; ++i)
    labels.data<int64_t>()[i] = generator.below(config.model.classes);
  TrainingStep step(model, config, images, labels);
  step.run();
  TrainingStepResult result;
  std::vector<double> peaks;
  for (int i = 0; i < steps; ++i) {
    result.seconds.push_back(seconds_of(step));
    peaks.push_back(peak_gops());
  }
  result.peak_gops = summarise(peaks).median;
  profiler::start();
  result.profiled_seconds = seconds_of(step);
  result.operations = profiler::totals(profiler::stop());
  return result;
}

}  // namespace espalier::bench
