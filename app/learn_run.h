// Continual learning in a run folder, with progress, metrics, plots and a report.
#pragma once

#include <string>

#include "app/command.h"
#include "cl/continual_trainer.h"

namespace espalier::app {

struct LearnRun {
  LearnConfig config;
  std::string folder, resume_command;
  bool resume = false, quiet = false;
  Device device{};
};

// Starts the run or takes it up. `interrupted` where an interrupt ended it before, `gate_missed`
// where the last compressed network misses its budget.
ExitCode run_learning(const LearnRun& run, const ImageDataset& train, const ImageDataset& test);

}  // namespace espalier::app
