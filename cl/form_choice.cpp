#include "cl/form_choice.h"

#include <algorithm>

#include "bench/axis.h"
#include "compress/auto_optimizer/candidate.h"
#include "compress/comparison_table.h"
#include "engine/error.h"

namespace espalier {
namespace {

size_t place_of(const std::string& dtype, std::span<const std::string> dtypes) {
  const auto found = std::find(dtypes.begin(), dtypes.end(), dtype);
  if (found == dtypes.end())
    argument_error("choose_form", "dtypes", "without '" + dtype + "'",
                   "with the form that the target's rule of thumb takes", "");
  return static_cast<size_t>(found - dtypes.begin());
}

}  // namespace

FormChoice choose_form(std::span<const std::string> paths, std::span<const std::string> dtypes,
                       const ImageDataset& images, const std::string& target, const Budget& budget,
                       const BenchmarkOptions& how) {
  const size_t rule = place_of(rule_of_thumb(target).dtype, dtypes);
  BenchmarkOptions one_batch = how;
  one_batch.batches.resize(1);
  FormChoice choice;
  std::vector<MeasuredPoint> points;
  for (const ModelMetrics& model : benchmark_models(paths, images, one_batch)) {
    const TaskEfficiency::Form form{dtypes[choice.forms.size()], model.file_bytes,
                                    model.speeds[0].seconds.median, model.evaluation.accuracy(),
                                    false};
    choice.forms.push_back(form);
    points.push_back({form.seconds, form.accuracy, static_cast<double>(form.file_bytes)});
  }
  const std::optional<size_t> best = choose(points, target, budget, rule);
  choice.meets_budget = best.has_value();
  choice.chosen = best ? *best : nearest(points, budget);
  choice.forms[choice.chosen].chosen = true;
  return choice;
}

std::string form_table(const EfficiencySummary& summary) {
  using bench::fixed;
  std::vector<std::vector<std::string>> rows = {
      {"after task", "form", "on disk", "time, µs", "accuracy on old images", ""}};
  for (const TaskEfficiency& task : summary.tasks)
    for (const TaskEfficiency::Form& form : task.forms)
      rows.push_back({std::to_string(task.task + 1), form.dtype, size_text(form.file_bytes),
                      fixed(1e6 * form.seconds, 1), fixed(100 * form.accuracy, 2) + " %",
                      !form.chosen        ? ""
                      : task.meets_budget ? "chosen"
                                          : "chosen, nearest to the budget"});
  return rows.size() == 1 ? "" : markdown_table(rows);
}

}  // namespace espalier
