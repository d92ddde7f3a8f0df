#include "cl/efficiency.h"

#include <numeric>

#include "bench/axis.h"
#include "compress/comparison_table.h"
#include "engine/error.h"

namespace espalier {
namespace {

using bench::fixed;

std::string percent(double share) { return fixed(100 * share, 2) + " %"; }

std::string batch_name(int64_t batch) {
  return batch == 1 ? "one image" : "batch " + std::to_string(batch);
}

std::vector<std::string> heading(const TaskEfficiency& task) {
  std::vector<std::string> row = {"after task", "dtype", "parameters", "on disk", "memory"};
  for (const TaskEfficiency::Speed& speed : task.speeds) {
    row.push_back("images/s, " + batch_name(speed.batch));
    row.push_back("faster");
  }
  row.insert(row.end(), {"accuracy so far", "forgetting"});
  return row;
}

std::vector<std::string> row_of(const EfficiencySummary& summary, const TaskEfficiency& task,
                                const std::string& forgetting) {
  const auto index = static_cast<size_t>(task.task);
  std::vector<std::string> row = {std::to_string(task.task + 1) + ": " + summary.task_names[index],
                                  task.dtype, fixed(static_cast<double>(task.parameters), 0),
                                  size_text(task.file_bytes), size_text(task.memory_bytes)};
  for (const TaskEfficiency::Speed& speed : task.speeds) {
    row.push_back(fixed(speed.images_per_second(), 0));
    row.push_back(fixed(speed.times_as_fast, 2) + "x");
  }
  row.insert(row.end(), {percent(task.average_accuracy()), forgetting});
  return row;
}

// "121 kB, 0.14 of the 872 kB of vit-tiny in fp32, and 5.2 times as fast (one image), ..."
std::string headline(const EfficiencySummary& summary, const TaskEfficiency& last) {
  const auto share = [](int64_t part, int64_t whole) {
    return fixed(static_cast<double>(part) / static_cast<double>(whole), 2);
  };
  std::string text = "The artefact after task " + std::to_string(last.task + 1) + " takes " +
                     size_text(last.file_bytes) + ", " +
                     share(last.file_bytes, summary.uncompressed_bytes) + " of the " +
                     size_text(summary.uncompressed_bytes) + " of " + summary.network +
                     " in fp32, with " + share(last.parameters, summary.uncompressed_parameters) +
                     " of the parameters and " +
                     share(last.memory_bytes, summary.uncompressed_memory_bytes) + " of the memory";
  for (const TaskEfficiency::Speed& speed : last.speeds)
    text +=
        ", " + fixed(speed.times_as_fast, 1) + " times as fast (" + batch_name(speed.batch) + ")";
  return text + ", and puts " + percent(last.average_accuracy()) +
         " of the test images of the tasks so far into their classes (mean over tasks).";
}

}  // namespace

double TaskEfficiency::average_accuracy() const {
  if (accuracy.empty()) return 0;
  return std::accumulate(accuracy.begin(), accuracy.end(), 0.0) /
         static_cast<double>(accuracy.size());
}

AccuracyMatrix artefact_accuracy(const EfficiencySummary& summary) {
  const size_t tasks = summary.task_names.size();
  AccuracyMatrix matrix = {std::vector<double>(tasks)};
  for (const TaskEfficiency& task : summary.tasks) {
    if (!task.measured()) break;
    matrix.push_back(task.accuracy);
    matrix.back().resize(tasks);
  }
  return matrix;
}

std::string efficiency_report(const EfficiencySummary& summary) {
  const AccuracyMatrix matrix = artefact_accuracy(summary);
  std::vector<std::vector<std::string>> rows;
  const TaskEfficiency* last = nullptr;
  for (const TaskEfficiency& task : summary.tasks) {
    if (!task.measured()) continue;
    last = &task;
    if (rows.empty()) rows.push_back(heading(task));
    const size_t up_to = static_cast<size_t>(task.task) + 2;
    std::string forgetting = "-";
    if (up_to > 2 && matrix.size() >= up_to)
      forgetting = percent(
          continual_metrics(
              AccuracyMatrix(matrix.begin(), matrix.begin() + static_cast<std::ptrdiff_t>(up_to)))
              .forgetting);
    rows.push_back(row_of(summary, task, forgetting));
  }
  if (!last)
    argument_error("efficiency_report", "summary", "without a task that was measured",
                   "one at least", "learn a task first");
  return headline(summary, *last) + "\n\n" + markdown_table(rows);
}

}  // namespace espalier
