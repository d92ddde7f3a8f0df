// `compress --target` and budgets: what measurements choose, and what a result must meet.
#pragma once

#include <string>

#include "app/command.h"
#include "app/compress_stages.h"
#include "compress/benchmark_models.h"

namespace espalier::app {

// --target, --preset, the budgets and what goes with them.
void add_target_flags(CLI::App& verb, CompressConfig& config);

// Makes and measures candidates in run.run_dir, writes the chosen one as chosen.safetensors and, if
// told, as the configuration's output, beside report.md, report.json, optimization.json and
// pictures. Prints what was chosen and why, or the JSON. The exit code: gate_missed where no
// candidate meets the budget, interrupted where a training was.
int run_target(const CompressRun& run, const LoadedModel& original, const std::string& command,
               double timed_seconds, bool json);

// What a finished model misses of the budget, as a sentence; empty where it meets it.
std::string missed_budget(const CompressConfig& config, const ModelMetrics& model);

}  // namespace espalier::app
