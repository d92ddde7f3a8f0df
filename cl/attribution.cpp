#include "cl/attribution.h"

#include <algorithm>
#include <cmath>

#include "bench/axis.h"
#include "compress/comparison_table.h"
#include "engine/error.h"

namespace espalier {
namespace {

constexpr const char* function = "attribute_losses";

void check(const EfficiencySummary& compressed, const EfficiencySummary& control) {
  if (compressed.task_names != control.task_names || compressed.class_names != control.class_names)
    argument_error(function, "control", "a run over other tasks or classes",
                   "one over the same stream", "");
  for (const TaskEfficiency& task : control.tasks)
    if (task.dtype != "f32" || task.parameters != control.uncompressed_parameters)
      argument_error(function, "control", "compressed after task " + std::to_string(task.task + 1),
                     "a run without pruning and quantisation", "");
  const size_t done = std::min(compressed.tasks.size(), control.tasks.size());
  if (done == 0) argument_error(function, "compressed", "no task", "one that both have done", "");
  for (size_t i = 0; i < done; ++i)
    if (!control.tasks[i].measured() || (i + 1 == done && !compressed.tasks[i].measured()))
      argument_error(function, "control",
                     "or the other run without measurements after task " + std::to_string(i + 1),
                     "both with tracking on", "");
}

double half_of(const ClassCount& a, const ClassCount& b) {
  const auto variance = [](const ClassCount& c) {
    return c.accuracy() * (1 - c.accuracy()) / static_cast<double>(c.images);
  };
  return 1.96 * std::sqrt(variance(a) + variance(b));
}

std::string points(double share) { return bench::fixed(100 * share, 1); }

std::string split_text(const ClassLoss& loss) {
  return "learning made " + points(loss.learning) + ", pruning " + points(loss.pruning) +
         " and rounding " + points(loss.rounding) + " of them";
}

ClassLoss mean_of(const std::vector<ClassLoss>& losses) {
  ClassLoss mean;
  const auto count = static_cast<double>(losses.size());
  for (const ClassLoss& each : losses) {
    mean.best += each.best / count;
    mean.artefact += each.artefact / count;
    mean.learning += each.learning / count;
    mean.pruning += each.pruning / count;
    mean.rounding += each.rounding / count;
  }
  return mean;
}

std::vector<std::string> row_of(const ClassLoss& loss) {
  return {loss.name,
          points(loss.best),
          points(loss.artefact),
          points(loss.total()),
          points(loss.learning),
          points(loss.pruning),
          points(loss.rounding),
          points(loss.compression()) + " ± " + points(loss.half_interval) +
              (loss.compression_is_certain() ? "" : " (may be chance)")};
}

}  // namespace

bool ClassLoss::compression_is_certain() const { return std::abs(compression()) > half_interval; }

std::vector<ClassLoss> attribute_losses(const EfficiencySummary& compressed,
                                        const EfficiencySummary& control) {
  check(compressed, control);
  const size_t done = std::min(compressed.tasks.size(), control.tasks.size());
  const TaskEfficiency &here = compressed.tasks[done - 1], &there = control.tasks[done - 1];
  std::vector<ClassLoss> out;
  for (size_t c = 0; c < compressed.class_names.size(); ++c) {
    const ClassCount &artefact = here.artefact[c], &network = here.pruned[c],
                     &now = there.artefact[c];
    if (artefact.images == 0) continue;
    if (now.images != artefact.images)
      argument_error(function, "control", "tested on other images", "those of the other run", "");
    ClassLoss loss{.name = compressed.class_names[c], .images = artefact.images};
    for (size_t i = 0; i < done; ++i)
      loss.best = std::max(loss.best, control.tasks[i].artefact[c].accuracy());
    loss.artefact = artefact.accuracy();
    loss.learning = loss.best - now.accuracy();
    loss.pruning = now.accuracy() - network.accuracy();
    loss.rounding = network.accuracy() - artefact.accuracy();
    loss.half_interval = half_of(now, artefact);
    out.push_back(loss);
  }
  return out;
}

std::string attribution_text(const std::vector<ClassLoss>& losses) {
  if (losses.empty()) argument_error("attribution_text", "losses", "none", "one class or more", "");
  const ClassLoss mean = mean_of(losses);
  const ClassLoss& most = *std::max_element(
      losses.begin(), losses.end(),
      [](const ClassLoss& a, const ClassLoss& b) { return a.total() < b.total(); });
  std::string text = "A class is recognised " + points(mean.total()) +
                     " points less often, in the mean, than by the uncompressed control at its "
                     "best: " +
                     split_text(mean) + ". " + most.name + " lost the most, " +
                     points(most.total()) + " points: " + split_text(most) + ".\n\n";
  std::vector<std::vector<std::string>> rows = {{"class (%)", "control at its best", "artefact",
                                                 "lost", "by learning", "by pruning", "by rounding",
                                                 "by both of these"}};
  for (const ClassLoss& loss : losses) rows.push_back(row_of(loss));
  return text + markdown_table(rows) +
         "\nIntervals are of the test images alone. Two runs part with the first channel that is "
         "pruned, and two seeds differ too: judge small parts by several seeds.\n";
}

}  // namespace espalier
