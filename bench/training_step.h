// What one optimiser step of a model costs, and where the time goes.
#pragma once

#include <string>
#include <vector>

#include "engine/profiler.h"
#include "nn/train_config.h"

namespace espalier::bench {

struct TrainingStepResult {
  std::vector<double> seconds;              // of each step, in the order they ran
  std::vector<profiler::Total> operations;  // of one profiled step after those, self time
  double profiled_seconds;
};

// Runs `steps` AdamW steps of `config` on random images, after one that warms up, then one more
// under the profiler.
TrainingStepResult measure_training_step(const TrainConfig& config, int steps);

}  // namespace espalier::bench
