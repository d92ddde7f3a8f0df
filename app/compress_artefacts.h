// What `compress --report` makes: the model before, quantised, pruned, and both, each a file of its
// own in one folder, and the report that compares them.
#pragma once

#include <string>

#include "app/compress_stages.h"
#include "app/progress_file.h"
#include "compress/benchmark_models.h"

namespace espalier::app {

// Where the artefact of that name lies.
std::string artefact_file(const CompressRun& run, const std::string& name);

// Writes the model's weights alone, since a checkpoint also holds what training needs, into
// run.run_dir unless they are there; the path.
std::string write_baseline(const CompressRun& run, const LoadedModel& original);

// Writes baseline.safetensors and those of quantised, pruned and combined that the options make
// into run.run_dir, where their trainings lie too. What is there already is not made again. False
// where an interrupt ended it: the same call goes on from there.
bool make_artefacts(const CompressRun& run, const LoadedModel& original);

// What the two below will do, for the progress.
std::vector<ExpectedStage> expected_stages(const CompressRun& run, const ViTConfig& model,
                                           double timed_seconds);

// Measures the files, writes report.md, report.json and comparison.png beside them, and prints
// table and place, or the JSON. Without `timed_seconds`, for each of two batch sizes, no speed.
// `command` is what asked for it. What the last of them, which all options made, came to.
ModelMetrics report_artefacts(const CompressRun& run, const std::string& command,
                              double timed_seconds, bool json);

}  // namespace espalier::app
