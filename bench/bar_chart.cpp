#include <algorithm>
#include <cmath>

#include "bench/font.h"
#include "bench/frame.h"
#include "bench/plot.h"
#include "engine/error.h"

namespace espalier::bench {
namespace {

constexpr double value_size = 16;

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
  const auto add = [&](const std::vector<double>& values) {
    for (double v : values)
      if (std::isfinite(v)) range = {std::min(range.low, v), std::max(range.high, v)};
  };
  for (const BarSeries& s : chart.series) add(s.values), add(s.low), add(s.high);
  if (range.low == range.high) return {0, 1};
  constexpr double headroom = 1.06;  // for the written values
  return {range.low * headroom, range.high * headroom};
}

void draw_whisker(Canvas& canvas, double x, double low, double high, double reach) {
  canvas.line({x, low}, {x, high}, 1.5, ink);
  for (double y : {low, high}) canvas.line({x - reach, y}, {x + reach, y}, 1.5, ink);
}

struct Bars {
  Rect plot;
  Scale y;
  double slot, width;  // of a category and of one bar
  double left(const BarChart& chart, size_t category, size_t series) const {
    const double group = width * static_cast<double>(chart.series.size());
    return plot.x + (static_cast<double>(category) + 0.5) * slot - group / 2 +
           static_cast<double>(series) * width;
  }
};

void draw_bar(Canvas& canvas, const BarChart& chart, const Bars& bars, size_t category,
              size_t series, bool written) {
  const BarSeries& s = chart.series[series];
  const double value = s.values[category];
  if (!std::isfinite(value)) return;
  const double x = bars.left(chart, category, series), zero = bars.y(0), end = bars.y(value);
  const double inset = std::min(2.0, bars.width / 10);
  canvas.fill_rect({x + inset, std::min(zero, end), bars.width - 2 * inset, std::abs(end - zero)},
                   series_colour(series));
  double clear = end;
  if (!s.low.empty()) {
    const double low = bars.y(s.low[category]), high = bars.y(s.high[category]);
    draw_whisker(canvas, x + bars.width / 2, low, high, std::min(6.0, bars.width / 4));
    clear = value < 0 ? std::max(end, low) : std::min(end, high);
  }
  if (!written) return;
  const std::string label = fixed(value, chart.decimals);
  const double y = clear + (value < 0 ? 1 : -1) * (4 + value_size / 2);
  const double width = text_width(label, value_size);
  canvas.fill_rect({x + bars.width / 2 - width / 2, y - value_size / 2, width, value_size},
                   {255, 255, 255, 0.8});
  canvas.text({x + bars.width / 2, y}, label,
              {.size = value_size, .colour = ink, .horizontal = Horizontal::centre});
}

// Values are written where every one of them is narrower than its bar.
bool fits(const BarChart& chart, double width) {
  std::vector<std::string> labels;
  for (const BarSeries& s : chart.series)
    for (double v : s.values) labels.push_back(std::isfinite(v) ? fixed(v, chart.decimals) : "");
  return widest(labels, value_size) <= width;
}

std::vector<LegendEntry> legend(const BarChart& chart) {
  std::vector<LegendEntry> out;
  for (size_t i = 0; i < chart.series.size(); ++i)
    out.push_back({chart.series[i].name, series_colour(i), Marker::none, false});
  return out;
}

}  // namespace

Canvas draw(const BarChart& chart) {
  check(chart);
  Canvas canvas(chart.width, chart.height);
  const double top = draw_heading(canvas, chart.title, legend(chart)) + value_size;
  const int count = std::max(2, (chart.height - 200) / 65);
  const Interval values = nice_limits(chart.value, data_range(chart), count);
  const auto y_ticks = ticks(values, count, chart.value);
  const double room = y_axis_room(y_ticks, chart.value);
  const double categories = static_cast<double>(std::max<size_t>(1, chart.categories.size()));
  double left = margin + room;
  SlotLabels labels(chart.categories, (canvas.width() - left - margin) / categories);
  left = std::max(left, margin + labels.overhang());
  labels.slot = (canvas.width() - left - margin) / categories;
  const Rect plot = {left, top, canvas.width() - left - margin,
                     canvas.height() - top - margin - labels.height()};
  const Scale y(values, plot.bottom(), plot.y, false);
  draw_y_axis(canvas, plot, chart.value, y, y_ticks, left - margin);
  const double group = 0.8 * labels.slot;
  const double each = group / static_cast<double>(std::max<size_t>(1, chart.series.size()));
  const Bars bars = {plot, y, labels.slot, std::min(each, 120.0)};
  const bool written = fits(chart, bars.width);
  for (size_t c = 0; c < chart.categories.size(); ++c)
    for (size_t s = 0; s < chart.series.size(); ++s) draw_bar(canvas, chart, bars, c, s, written);
  canvas.line({plot.x, y(0)}, {plot.right(), y(0)}, 1.5, axis_colour);
  labels.draw(canvas, plot.x, plot.bottom());
  return canvas;
}

}  // namespace espalier::bench
