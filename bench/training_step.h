// What one optimiser step of a model costs, and where the time goes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/profiler.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/train_config.h"

namespace espalier::bench {

// A model, its AdamW and one batch that it sees again and again.
class TrainingStep {
 public:
  // Takes the chunk size, the label smoothing and the weight average from `config`. `images`:
  // [B, H, W, C]; `labels`: s64 [B].
  TrainingStep(const VisionTransformer& model, const TrainConfig& config, const Tensor& images,
               const Tensor& labels);

  // Forward, cross entropy, backward, clipping and update; returns the loss before the update.
  double run();

  static constexpr AdamWOptions optimizer{};
  static constexpr double clip_norm = 1;

 private:
  const VisionTransformer& model_;
  const TrainConfig config_;
  const Tensor images_, labels_;
  AdamW optimizer_;
  std::optional<WeightAverage> average_;
};

struct TrainingStepResult {
  std::vector<double> seconds;              // of each step, in the order they ran
  std::vector<profiler::Total> operations;  // of one profiled step after those, self time
  double profiled_seconds;
  // 10^9 operations a second at the peak of fp32 on the same threads: median of what was measured
  // after each step. Times the seconds of a step, a measure that does not depend on the clock.
  double peak_gops;
};

// Runs `steps` AdamW steps of `config` on random images, after one that warms up, then one more
// under the profiler.
TrainingStepResult measure_training_step(const TrainConfig& config, int steps);

}  // namespace espalier::bench
