#include <algorithm>
#include <cmath>

#include "bench/font.h"
#include "bench/frame.h"
#include "bench/labels.h"
#include "bench/plot.h"
#include "engine/error.h"

namespace espalier::bench {
namespace {

constexpr double value_size = 16, longest_name = 240, mark_radius = 7;
constexpr double headroom = 0.06;  // of the range, for the written values

void check(const BarChart& chart) {
  const size_t count = chart.categories.size();
  for (const BarSeries& s : chart.series)
    if (s.values.size() != count || s.low.size() != s.high.size() ||
        (!s.low.empty() && s.low.size() != count))
      argument_error("draw(BarChart)", ("series \"" + s.name + "\"").c_str(),
                     std::to_string(s.values.size()) + " values, " + std::to_string(s.low.size()) +
                         " low and " + std::to_string(s.high.size()) + " high",
                     std::to_string(count) + " of each, or no low and high",
                     "give one value a category, NaN for none");
}

Interval data_range(const BarChart& chart) {
  Interval range = {0, 0};
  if (chart.marks) range = {INFINITY, -INFINITY};
  const auto add = [&](const std::vector<double>& values) {
    for (double v : values)
      if (std::isfinite(v)) range = {std::min(range.low, v), std::max(range.high, v)};
  };
  for (const BarSeries& s : chart.series) add(s.values), add(s.low), add(s.high);
  if (range.low >= range.high) return chart.marks && range.low == range.high ? range : Interval{};
  if (!chart.marks) return {range.low * (1 + headroom), range.high * (1 + headroom)};
  const double room = headroom * (range.high - range.low);
  return {range.low - room, range.high + 2 * room};
}

void draw_whisker(Canvas& canvas, double x, double low, double high, double reach) {
  canvas.line({x, low}, {x, high}, 1.5, ink);
  for (double y : {low, high}) canvas.line({x - reach, y}, {x + reach, y}, 1.5, ink);
}

enum class Writing { level, turned, none };

struct Bars {
  Rect plot;
  Scale y;
  double slot, width;  // of a category and of one bar
  Writing writing;
  double left(const BarChart& chart, size_t category, size_t series) const {
    const double group = width * static_cast<double>(chart.series.size());
    return plot.x + (static_cast<double>(category) + 0.5) * slot - group / 2 +
           static_cast<double>(series) * width;
  }
};

// Beyond the end of a bar or its whisker, at `y`; a bar that goes down has it below.
void write_value(Canvas& canvas, const Bars& bars, const std::string& label, double x, double y,
                 bool below) {
  const bool turned = bars.writing == Writing::turned;
  const double length = text_width(label, value_size);
  const double width = turned ? value_size : length, height = turned ? length : value_size;
  const double middle = y + (below ? 1 : -1) * (4 + height / 2);
  canvas.fill_rect({x - width / 2, middle - height / 2, width, height}, {255, 255, 255, 0.8});
  canvas.text({x, middle}, label,
              {.size = value_size,
               .colour = ink,
               .horizontal = Horizontal::centre,
               .degrees = turned ? 90.0 : 0.0});
}

void draw_bar(Canvas& canvas, const BarChart& chart, const Bars& bars, size_t category,
              size_t series) {
  const BarSeries& s = chart.series[series];
  const double value = s.values[category];
  if (!std::isfinite(value)) return;
  const double x = bars.left(chart, category, series), end = bars.y(value);
  if (!chart.marks) {
    const double inset = std::min(2.0, bars.width / 10), zero = bars.y(0);
    canvas.fill_rect({x + inset, std::min(zero, end), bars.width - 2 * inset, std::abs(end - zero)},
                     series_colour(series));
  }
  double clear = chart.marks ? end - mark_radius : end;
  if (!s.low.empty()) {
    const double low = bars.y(s.low[category]), high = bars.y(s.high[category]);
    draw_whisker(canvas, x + bars.width / 2, low, high, std::min(6.0, bars.width / 4));
    clear = value < 0 && !chart.marks ? std::max(end, low) : std::min(clear, high);
  }
  if (chart.marks)
    canvas.marker(series_marker(series), {x + bars.width / 2, end}, mark_radius,
                  series_colour(series));
  if (bars.writing != Writing::none)
    write_value(canvas, bars, fixed(value, chart.decimals), x + bars.width / 2, clear,
                value < 0 && !chart.marks);
}

double widest_value(const BarChart& chart) {
  std::vector<std::string> labels;
  for (const BarSeries& s : chart.series)
    for (double v : s.values) labels.push_back(std::isfinite(v) ? fixed(v, chart.decimals) : "");
  return widest(labels, value_size);
}

// Values are written where every one of them is narrower than its bar: along it, where they must.
Writing writing_for(const BarChart& chart, double width) {
  if (widest_value(chart) <= width) return Writing::level;
  return value_size <= width ? Writing::turned : Writing::none;
}

// How far the limits must reach for values that are turned.
Interval with_turned_values(const BarChart& chart, Interval data, Writing writing, double height) {
  if (writing != Writing::turned) return data;
  const double share = std::min(0.5, (widest_value(chart) + 8) / height);
  data.high += share / (1 - share) * (data.high - data.low);
  return data;
}

std::vector<LegendEntry> legend(const BarChart& chart) {
  std::vector<LegendEntry> out;
  for (size_t i = 0; i < chart.series.size(); ++i)
    out.push_back({chart.series[i].name, series_colour(i),
                   chart.marks ? series_marker(i) : Marker::none, false});
  return out;
}

}  // namespace

Canvas draw(const BarChart& chart) {
  check(chart);
  Canvas canvas(chart.width, chart.height);
  const double top = draw_heading(canvas, chart.title, legend(chart)) + value_size;
  std::vector<std::string> names;
  for (const std::string& name : chart.categories)
    names.push_back(shortened_inside(name, text_size, longest_name));
  const double categories = static_cast<double>(std::max<size_t>(1, names.size()));
  const double of_series = static_cast<double>(std::max<size_t>(1, chart.series.size()));
  const auto bar_width = [&](double slot) { return std::min(0.8 * slot / of_series, 120.0); };
  // The axis' own room is not known before its limits are.
  const double about = (canvas.width() - 4 * margin) / categories;
  const double height = canvas.height() - top - margin - SlotLabels(names, about).height();
  const int count = std::max(2, static_cast<int>(height / 65));
  const Interval data =
      with_turned_values(chart, data_range(chart), writing_for(chart, bar_width(about)), height);
  const Interval values = nice_limits(chart.value, data, count);
  const auto y_ticks = ticks(values, count, chart.value);
  const double room = y_axis_room(y_ticks, chart.value);
  double left = margin + room;
  SlotLabels labels(names, (canvas.width() - left - margin) / categories);
  left = std::max(left, margin + labels.overhang());
  labels.slot = (canvas.width() - left - margin) / categories;
  const Rect plot = {left, top, canvas.width() - left - margin,
                     canvas.height() - top - margin - labels.height()};
  const Scale y(values, plot.bottom(), plot.y, false);
  draw_y_axis(canvas, plot, chart.value, y, y_ticks, left - margin);
  const double each = bar_width(labels.slot);
  const Bars bars = {plot, y, labels.slot, each, writing_for(chart, each)};
  for (size_t c = 0; c < names.size(); ++c)
    for (size_t s = 0; s < chart.series.size(); ++s) draw_bar(canvas, chart, bars, c, s);
  const double base = chart.marks ? plot.bottom() : y(0);
  canvas.line({plot.x, base}, {plot.right(), base}, 1.5, axis_colour);
  labels.draw(canvas, plot.x, plot.bottom());
  return canvas;
}

}  // namespace espalier::bench
