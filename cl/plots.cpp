#include "cl/plots.h"

#include <algorithm>
#include <iterator>

#include "bench/panels.h"
#include "bench/plot.h"
#include "bench/png.h"
#include "engine/error.h"

namespace espalier {
namespace {

using bench::Series;

constexpr int panel_width = 840, panel_height = 560;
constexpr bench::Colour grey{150, 150, 150};
constexpr bench::Colour colours[] = {{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}};

bench::Chart panel(const std::string& title, const std::string& value, size_t tasks) {
  bench::Chart chart;
  chart.title = title;
  chart.x.label = "after task";
  chart.x.whole = true;
  chart.x.low = 0.75;
  chart.x.high = static_cast<double>(tasks) + 0.25;
  chart.y.label = value;
  chart.width = panel_width;
  chart.height = panel_height;
  return chart;
}

Series line(const std::string& name) {
  Series series;
  series.name = name;
  series.points = true;
  return series;
}

void add(Series& series, double x, double y) {
  series.x.push_back(x);
  series.y.push_back(y);
}

// ---- accuracy ----

void check_runs(std::span<const LearnedRun> runs) {
  constexpr const char* name = "plot_learning_over_tasks";
  if (runs.empty()) argument_error(name, "runs", "none", "one or more", "");
  for (const LearnedRun& run : runs)
    if (run.accuracy.empty() || run.accuracy[0].size() != runs[0].accuracy[0].size())
      argument_error(name, run.label.c_str(), "of another number of tasks",
                     "that of " + runs[0].label, "");
}

// One line for a figure of ContinualMetrics, in percent.
Series over_tasks(const LearnedRun& run, double ContinualMetrics::*figure, size_t from) {
  Series series = line(run.label);
  const std::vector<ContinualMetrics> metrics = metrics_over_tasks(run.accuracy);
  for (size_t i = from; i < metrics.size(); ++i)
    add(series, static_cast<double>(i) + 1, 100 * metrics[i].*figure);
  return series;
}

// With zero in sight, since lengths are compared.
bench::Chart from_zero(bench::Chart chart, const std::vector<Series>& lines) {
  double least = 0;
  for (const Series& series : lines)
    for (double y : series.y) least = std::min(least, y);
  if (least == 0) chart.y.low = 0;
  chart.series = lines;
  return chart;
}

bench::Canvas accuracy_of_each_task(const LearnedRun& run) {
  const size_t tasks = run.accuracy[0].size();
  bench::Chart chart = panel("Accuracy on each task since it was learned", "accuracy (%)", tasks);
  chart.y.low = 0;
  chart.y.high = 100;
  for (size_t j = 0; j < tasks; ++j) {
    Series series = line("task " + std::to_string(j + 1));
    for (size_t i = j + 1; i < run.accuracy.size(); ++i)
      add(series, static_cast<double>(i), 100 * run.accuracy[i][j]);
    if (!series.x.empty()) chart.series.push_back(series);
  }
  return draw(chart);
}

// ---- efficiency ----

// The unit that all of these can be told in.
struct Unit {
  const char* name;
  double size;
};
Unit bytes_unit(double most) { return most >= 1e6 ? Unit{"MB", 1e6} : Unit{"kB", 1e3}; }
Unit count_unit(double most) {
  return most >= 1e6 ? Unit{"millions", 1e6} : Unit{"thousands", 1e3};
}

std::vector<const TaskEfficiency*> measured(const EfficiencySummary& summary) {
  std::vector<const TaskEfficiency*> tasks;
  for (const TaskEfficiency& task : summary.tasks)
    if (task.measured()) tasks.push_back(&task);
  return tasks;
}

// One figure of the artefacts, from zero, with the uncompressed network's as a dashed line.
bench::Canvas cost(const EfficiencySummary& summary, const std::string& title,
                   const std::string& what, Unit (*unit_of)(double most), int64_t uncompressed,
                   int64_t TaskEfficiency::*figure) {
  const Unit unit = unit_of(static_cast<double>(uncompressed));
  bench::Chart chart = panel(title, what + " (" + unit.name + ")", summary.task_names.size());
  chart.y.low = 0;
  Series artefacts = line("artefact"), whole;
  for (const TaskEfficiency* task : measured(summary))
    add(artefacts, static_cast<double>(task->task) + 1,
        static_cast<double>(task->*figure) / unit.size);
  whole.name = "uncompressed, fp32";
  whole.dashed = true;
  whole.colour = grey;
  for (double x : {*chart.x.low, *chart.x.high})
    add(whole, x, static_cast<double>(uncompressed) / unit.size);
  chart.series = {artefacts, whole};
  return draw(chart);
}

bench::Canvas speed(const EfficiencySummary& summary) {
  const auto tasks = measured(summary);
  bench::Chart chart = panel("Speed", "images a second", summary.task_names.size());
  chart.y.log = true;
  for (size_t b = 0; b < tasks[0]->speeds.size(); ++b) {
    const std::string batch = "batch " + std::to_string(tasks[0]->speeds[b].batch);
    Series artefacts = line(batch + ", artefact"), whole = line(batch + ", uncompressed");
    artefacts.colour = whole.colour = colours[b % std::size(colours)];
    whole.dashed = true;
    whole.points = false;
    for (const TaskEfficiency* task : tasks) {
      if (b >= task->speeds.size()) continue;
      const TaskEfficiency::Speed& each = task->speeds[b];
      const double x = static_cast<double>(task->task) + 1;
      add(artefacts, x, each.images_per_second());
      add(whole, x, each.images_per_second() / each.times_as_fast);
    }
    chart.series.push_back(artefacts);
    chart.series.push_back(whole);
  }
  return draw(chart);
}

bench::Canvas accuracies(const EfficiencySummary& summary) {
  bench::Chart chart =
      panel("Accuracy on the tasks so far", "test images right (%)", summary.task_names.size());
  Series learned = line("fp32, as learned"), pruned = line("fp32, pruned and recovered"),
         artefact = line("artefact");
  for (const TaskEfficiency* task : measured(summary)) {
    const double x = static_cast<double>(task->task) + 1;
    add(learned, x, 100 * accuracy_of(task->learned));
    add(pruned, x, 100 * accuracy_of(task->pruned));
    add(artefact, x, 100 * accuracy_of(task->artefact));
  }
  // The last two mostly lie over each other: a thin dash on a line shows both.
  learned.colour = grey;
  artefact.colour = colours[0];
  pruned.colour = colours[1];
  pruned.dashed = true;
  pruned.points = false;
  chart.series = {learned, artefact, pruned};
  return draw(chart);
}

bench::Canvas forgetting(const EfficiencySummary& summary) {
  const size_t tasks = summary.task_names.size();
  std::vector<Series> lines = {
      over_tasks({"artefact", artefact_accuracy(summary)}, &ContinualMetrics::forgetting, 1)};
  return draw(from_zero(panel("Forgetting", "forgetting (points)", tasks), lines));
}

}  // namespace

void plot_accuracy_matrix(const AccuracyMatrix& accuracy,
                          const std::vector<std::string>& task_names, const std::string& path,
                          const std::string& title) {
  metrics_over_tasks(accuracy);  // refuses what is no such matrix
  if (task_names.size() != accuracy[0].size())
    argument_error("plot_accuracy_matrix", "task_names", std::to_string(task_names.size()),
                   std::to_string(accuracy[0].size()) + ", one a column", "");
  bench::HeatMap map;
  map.title = title;
  map.row_label = "learned so far";
  map.column_label = "tested on task";
  map.decimals = 1;
  for (size_t i = 0; i < accuracy.size(); ++i) {
    map.rows.push_back(i == 0 ? "nothing" : "up to " + std::to_string(i));
    for (double value : accuracy[i]) map.values.push_back(100 * value);
  }
  for (size_t j = 0; j < task_names.size(); ++j)
    map.columns.push_back(std::to_string(j + 1) + ": " + task_names[j]);
  save_png(draw(map), path);
}

void plot_learning_over_tasks(std::span<const LearnedRun> runs, const std::string& path) {
  check_runs(runs);
  const size_t tasks = runs[0].accuracy[0].size();
  std::vector<Series> mean, forgotten;
  for (const LearnedRun& run : runs) {
    mean.push_back(over_tasks(run, &ContinualMetrics::average_accuracy, 0));
    forgotten.push_back(over_tasks(run, &ContinualMetrics::forgetting, 1));
  }
  bench::Panels sheet;
  if (runs.size() == 1) sheet.panels.push_back(accuracy_of_each_task(runs[0]));
  sheet.panels.push_back(
      draw(from_zero(panel("Average accuracy", "accuracy on the tasks so far (%)", tasks), mean)));
  sheet.panels.push_back(
      draw(from_zero(panel("Forgetting", "forgetting (points)", tasks), forgotten)));
  sheet.across = static_cast<int>(sheet.panels.size());
  save_png(draw(sheet), path);
}

void plot_efficiency_over_tasks(const EfficiencySummary& summary, const std::string& path) {
  const auto tasks = measured(summary);
  if (tasks.empty())
    argument_error("plot_efficiency_over_tasks", "summary", "without a task that was measured",
                   "one at least", "learn a task first");
  bench::Panels sheet;
  sheet.title = "Efficiency over the tasks: " + summary.network;
  sheet.panels.push_back(cost(summary, "Size on disk", "file size", bytes_unit,
                              summary.uncompressed_bytes, &TaskEfficiency::file_bytes));
  if (!tasks[0]->speeds.empty()) sheet.panels.push_back(speed(summary));
  sheet.panels.push_back(cost(summary, "Memory of the plan", "memory", bytes_unit,
                              summary.uncompressed_memory_bytes, &TaskEfficiency::memory_bytes));
  sheet.panels.push_back(accuracies(summary));
  sheet.panels.push_back(cost(summary, "Parameters", "parameters", count_unit,
                              summary.uncompressed_parameters, &TaskEfficiency::parameters));
  if (artefact_accuracy(summary).size() > 2) sheet.panels.push_back(forgetting(summary));
  save_png(draw(sheet), path);
}

}  // namespace espalier
