#include "compress/comparison_plots.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bench/labels.h"
#include "bench/panels.h"
#include "bench/plot.h"
#include "bench/png.h"
#include "engine/error.h"

namespace espalier {
namespace {

using bench::Series;

constexpr int panel_width = 840, panel_height = 620;
constexpr double longest_label = 220;

std::vector<std::string> labels_of(std::span<const ModelMetrics> models) {
  std::vector<std::string> names;
  for (const ModelMetrics& m : models) names.push_back(m.label);
  return names;
}

void check(std::span<const ModelMetrics> models) {
  constexpr const char* name = "plot_optimization_comparison";
  if (models.empty()) argument_error(name, "models", "none", "at least one", "");
  const auto batches = [](const ModelMetrics& m) {
    std::vector<int64_t> out;
    for (const ModelMetrics::Speed& speed : m.speeds) out.push_back(speed.batch);
    return out;
  };
  for (const ModelMetrics& m : models)
    if (batches(m) != batches(models[0]))
      argument_error(name, m.label.c_str(), "timed at other batch sizes",
                     "those of " + models[0].label, "time them in one call of benchmark_models()");
}

bench::BarChart bars(std::span<const ModelMetrics> models, const std::string& title,
                     const std::string& axis) {
  bench::BarChart chart;
  chart.title = title;
  chart.value.label = axis;
  chart.categories = labels_of(models);
  chart.width = panel_width;
  chart.height = panel_height;
  return chart;
}

// What file sizes are told in: kB where all are below a megabyte.
struct SizeUnit {
  const char* name;
  double bytes;
  int decimals;
};
SizeUnit size_unit(std::span<const ModelMetrics> models) {
  for (const ModelMetrics& m : models)
    if (m.file_bytes >= 1'000'000) return {"MB", 1e6, 2};
  return {"kB", 1e3, 1};
}

bench::Canvas sizes(std::span<const ModelMetrics> models) {
  const SizeUnit unit = size_unit(models);
  bench::BarChart chart =
      bars(models, "Size on disk", std::string("file size (") + unit.name + ")");
  chart.decimals = unit.decimals;
  bench::BarSeries series;
  for (const ModelMetrics& m : models)
    series.values.push_back(static_cast<double>(m.file_bytes) / unit.bytes);
  chart.series = {series};
  return draw(chart);
}

bench::Canvas speeds(std::span<const ModelMetrics> models) {
  bench::BarChart chart = bars(models, "Speed", "images a second");
  chart.decimals = 0;
  for (size_t b = 0; b < models[0].speeds.size(); ++b) {
    bench::BarSeries series;
    series.name = "batch " + std::to_string(models[0].speeds[b].batch);
    for (const ModelMetrics& m : models) series.values.push_back(m.speeds[b].images_per_second());
    chart.series.push_back(series);
  }
  return draw(chart);
}

bench::Canvas accuracies(std::span<const ModelMetrics> models) {
  bench::BarChart chart =
      bars(models, "Accuracy, with its 95 % interval", "test images classified right (%)");
  chart.decimals = 2;
  chart.marks = true;
  bench::BarSeries series;
  for (const ModelMetrics& m : models) {
    const double accuracy = 100 * m.evaluation.accuracy(),
                 half = 100 * m.evaluation.half_interval();
    series.values.push_back(accuracy);
    series.low.push_back(accuracy - half);
    series.high.push_back(accuracy + half);
  }
  chart.series = {series};
  return draw(chart);
}

// A round limit that keeps the largest value off the frame.
double beyond(const std::vector<double>& values) {
  const double most = *std::max_element(values.begin(), values.end());
  return bench::nice_limits({}, {0, 1.05 * most}, 8).high;
}

bench::Canvas size_against_speed(std::span<const ModelMetrics> models) {
  const SizeUnit unit = size_unit(models);
  const std::string batch = std::to_string(models[0].speeds.back().batch);
  bench::Chart chart;
  chart.title = "Size, speed and accuracy: the best stand dark, top left";
  chart.x.label = std::string("file size (") + unit.name + ")";
  chart.y.label = "images a second, batch " + batch;
  chart.x.low = chart.y.low = 0;
  chart.shade.label = "accuracy (%)";
  chart.width = panel_width;
  chart.height = panel_height;
  Series points;
  points.line = false;
  points.points = true;
  for (const ModelMetrics& m : models) {
    points.x.push_back(static_cast<double>(m.file_bytes) / unit.bytes);
    points.y.push_back(m.speeds.back().images_per_second());
    points.shades.push_back(100 * m.evaluation.accuracy());
    points.labels.push_back(bench::shortened_inside(m.label, 16, longest_label));
  }
  chart.x.high = beyond(points.x);
  chart.y.high = beyond(points.y);
  // Accuracies alike are not told apart by the whole scale.
  const auto [least, most] = std::minmax_element(points.shades.begin(), points.shades.end());
  if (*most - *least < 0.5) chart.shade.low = *most - 0.5, chart.shade.high = *most;
  chart.series = {points};
  return draw(chart);
}

// Points under this press the others together.
constexpr double shown_range = 0.15;

Series series_of(const std::string& name, bool line, std::optional<bench::Colour> colour) {
  Series series;
  series.name = name;
  series.line = line;
  series.points = true;
  series.colour = colour;
  return series;
}

void add(Series& series, const ParetoPoint& point) {
  series.x.push_back(1e3 * point.seconds);
  series.y.push_back(100 * point.accuracy);
  series.labels.push_back(bench::shortened_inside(point.label, 16, longest_label));
}

// Candidates off the front first, so that the front and then what has a name lie over them.
std::vector<Series> pareto_series(std::span<const ParetoPoint> points) {
  constexpr bench::Colour grey{150, 150, 150}, blue{0, 114, 178};
  const std::vector<size_t> front = pareto_front(points);
  std::vector<Series> out = {series_of("dominated", false, grey),
                             series_of("Pareto front", true, blue)};
  for (size_t i = 0; i < points.size(); ++i)
    if (points[i].kind.empty() && std::find(front.begin(), front.end(), i) == front.end())
      add(out[0], points[i]);
  for (size_t i : front) {
    add(out[1], points[i]);
    if (!points[i].kind.empty()) out[1].labels.back().clear();  // written by its own series
  }
  for (const ParetoPoint& point : points) {
    if (point.kind.empty()) continue;
    auto found = std::find_if(out.begin() + 2, out.end(),
                              [&](const Series& s) { return s.name == point.kind; });
    if (found == out.end()) found = out.insert(out.end(), series_of(point.kind, false, {}));
    add(*found, point);
  }
  if (out[0].x.empty()) out[0].name.clear();
  return out;
}

}  // namespace

void plot_optimization_comparison(std::span<const ModelMetrics> models, const std::string& path) {
  check(models);
  bench::Panels sheet;
  sheet.panels.push_back(sizes(models));
  const bool timed = !models[0].speeds.empty();
  if (timed) sheet.panels.push_back(speeds(models));
  sheet.panels.push_back(accuracies(models));
  if (timed) sheet.panels.push_back(size_against_speed(models));
  save_png(draw(sheet), path);
}

std::vector<size_t> pareto_front(std::span<const ParetoPoint> points) {
  std::vector<size_t> order(points.size()), front;
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (points[a].seconds != points[b].seconds) return points[a].seconds < points[b].seconds;
    return points[a].accuracy > points[b].accuracy;
  });
  for (size_t i : order)
    if (front.empty() || points[i].accuracy > points[front.back()].accuracy) front.push_back(i);
  return front;
}

void plot_pareto(std::span<const ParetoPoint> points, const std::string& path,
                 const std::string& title) {
  constexpr const char* name = "plot_pareto";
  if (points.empty()) argument_error(name, "points", "none", "at least one", "");
  double best = 0;
  for (const ParetoPoint& point : points) {
    if (!(point.seconds > 0))
      argument_error(name, point.label.c_str(), std::to_string(point.seconds) + " s", "more than 0",
                     "");
    best = std::max(best, point.accuracy);
  }
  std::vector<ParetoPoint> shown;
  for (const ParetoPoint& point : points)
    if (point.accuracy >= best - shown_range) shown.push_back(point);
  bench::Chart chart;
  chart.title = title;
  chart.x.label = "time a batch (ms)";
  chart.x.log = true;
  chart.y.label = "accuracy (%)";
  if (const size_t below = points.size() - shown.size(); below > 0)
    chart.y.label += "; " + std::to_string(below) + " below " +
                     bench::fixed(100 * (best - shown_range), 1) + " % left out";
  chart.series = pareto_series(shown);
  save_png(draw(chart), path);
}

}  // namespace espalier
