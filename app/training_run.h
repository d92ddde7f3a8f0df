// A training in a run folder, with progress, metrics and plots: what `train` is, and what
// `compress` runs to recover accuracy.
#pragma once

#include <string>

#include "app/run_folder.h"

namespace espalier::app {

// Of training_split() (nn/data/dataset.h).
struct TrainingData {
  ImageDataset train, validation;
};
TrainingData load_training_data(const TrainConfig& config, const std::string& data_folder);

// What a finished run has made; `best` is empty where an interrupt ended it before.
struct TrainingResult {
  bool finished;
  std::string best;  // the path of the best checkpoint
};

// Starts a run of `config` in `folder`, or takes it up where `resume` says so. A line says what is
// trained; where it is interrupted, `resume_command` is printed.
struct TrainingRun {
  TrainConfig config;
  std::string folder, what, resume_command;
  bool resume = false, quiet = false;
  TrainerParts parts{};
};
TrainingResult run_training(TrainingRun run, TrainingData data);

}  // namespace espalier::app
