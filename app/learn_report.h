// What a run of continual learning came to: report.md for people, report.json for programs,
// pictures.
#pragma once

#include <string>

#include "cl/continual_trainer.h"
#include "cl/efficiency.h"

namespace espalier::app {

// What was measured of compressed networks: of the run, and of its control where there was one.
struct MeasuredRun {
  const EfficiencySummary* compressed = nullptr;
  const EfficiencySummary* control = nullptr;
};

// Writes them into the run's folder; env.json lies there already.
void write_learn_report(const std::string& folder, const ContinualTrainer& trainer,
                        const MeasuredRun& measured = {});

}  // namespace espalier::app
