// Which form a task's network is shipped in: all of them are made and measured, and a target
// decides.
#pragma once

#include <span>

#include "cl/efficiency.h"
#include "compress/auto_optimizer/choice.h"
#include "compress/benchmark_models.h"

namespace espalier {

struct FormChoice {
  std::vector<TaskEfficiency::Form> forms;  // one a file, `chosen` set in one of them
  size_t chosen = 0;
  bool meets_budget = true;
};

// Measures the files, the first of which is the network in fp32, in turns at the first batch size
// of `how`, and judges their accuracy on `images`. For `target` and within `budget` choose()
// decides (compress/auto_optimizer/choice.h), held against the form that the target's rule of thumb
// takes; where nothing meets the budget, what comes nearest is chosen. `dtypes` has each file's,
// one of artefact_dtypes(). Argument errors: another target, no form of its rule of thumb among
// `dtypes`.
FormChoice choose_form(std::span<const std::string> paths, std::span<const std::string> dtypes,
                       const ImageDataset& images, const std::string& target, const Budget& budget,
                       const BenchmarkOptions& how);

// What was tried after each task, as a Markdown table; empty where the form was given.
std::string form_table(const EfficiencySummary& summary);

}  // namespace espalier
