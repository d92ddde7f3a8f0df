#include <algorithm>
#include <cmath>

#include "bench/colour_scale.h"
#include "bench/frame.h"
#include "bench/labels.h"
#include "bench/plot.h"
#include "engine/error.h"

namespace espalier::bench {
namespace {

constexpr double line_width = 2.5, dash_length = 9, marker_radius = 6, shaded_radius = 9;
constexpr double palest = 0.15;  // of the colour scale, on white

double radius_of(const Series& s) { return s.shades.empty() ? marker_radius : shaded_radius; }

bool shows(double value, const Axis& axis) {
  return std::isfinite(value) && (!axis.log || value > 0);
}

bool shows(const Chart& chart, const Series& s, size_t i) {
  return shows(s.x[i], chart.x) && shows(s.y[i], chart.y);
}

Colour colour_of(const Chart& chart, size_t index) {
  return chart.series[index].colour.value_or(series_colour(index));
}

Interval data_range(const Chart& chart, const std::vector<double> Series::*values) {
  Interval range = {INFINITY, -INFINITY};
  for (const Series& s : chart.series)
    for (size_t i = 0; i < s.x.size(); ++i)
      if (shows(chart, s, i)) {
        range.low = std::min(range.low, (s.*values)[i]);
        range.high = std::max(range.high, (s.*values)[i]);
      }
  return range.low > range.high ? Interval{1, 10} : range;
}

void check(const Chart& chart) {
  for (const Series& s : chart.series)
    if (s.x.size() != s.y.size() || (!s.labels.empty() && s.labels.size() != s.x.size()) ||
        (!s.shades.empty() && s.shades.size() != s.x.size()))
      argument_error("draw(Chart)", ("series \"" + s.name + "\"").c_str(),
                     std::to_string(s.x.size()) + " x, " + std::to_string(s.y.size()) + " y, " +
                         std::to_string(s.labels.size()) + " labels and " +
                         std::to_string(s.shades.size()) + " shades",
                     "one y a x, and as many labels and shades or none",
                     "pass vectors of one length");
}

std::vector<LegendEntry> legend(const Chart& chart) {
  std::vector<LegendEntry> out;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const Series& s = chart.series[i];
    out.push_back({s.name, colour_of(chart, i), s.points ? series_marker(i) : Marker::none, s.line,
                   s.dashed ? dash_length : 0});
  }
  return out;
}

bool is_shaded(const Chart& chart) {
  return std::any_of(chart.series.begin(), chart.series.end(),
                     [](const Series& s) { return !s.shades.empty(); });
}

Interval shade_range(const Chart& chart) {
  Interval range = {INFINITY, -INFINITY};
  for (const Series& s : chart.series)
    for (double value : s.shades)
      if (std::isfinite(value)) range = {std::min(range.low, value), std::max(range.high, value)};
  return nice_limits(chart.shade, range.low > range.high ? Interval{} : range, 4);
}

struct Frame {
  Rect plot;
  Scale x, y;
  Interval shades;
  Point at(const Series& s, size_t i) const { return {x(s.x[i]), y(s.y[i])}; }
};

// Draws heading and axes in the room that their labels need.
Frame draw_axes(Canvas& canvas, const Chart& chart) {
  const double top = draw_heading(canvas, chart.title, legend(chart)) + text_size / 2;
  const double height = canvas.height() - top - margin - x_axis_room(chart.x);
  const int count = std::max(2, static_cast<int>(height / 65));
  const Interval y_values = nice_limits(chart.y, data_range(chart, &Series::y), count);
  const auto y_ticks = ticks(y_values, count, chart.y);
  const double room = y_axis_room(y_ticks, chart.y), left = margin + room;
  const Interval shades = shade_range(chart);
  const double bar = is_shaded(chart) ? colour_bar_room(shades, height, chart.shade) : 0;
  const Rect plot = {left, top, canvas.width() - left - margin - gap - bar, height};
  const Interval x_values =
      nice_limits(chart.x, data_range(chart, &Series::x), static_cast<int>(plot.width / 110));
  const Scale x(x_values, plot.x, plot.right(), chart.x.log);
  const Scale y(y_values, plot.bottom(), plot.y, chart.y.log);
  draw_y_axis(canvas, plot, chart.y, y, y_ticks, room);
  draw_x_axis(canvas, plot, chart.x, x, spaced_ticks(x_values, plot.width, chart.x));
  canvas.stroke_rect(plot, 1, axis_colour);
  if (bar > 0) draw_colour_bar(canvas, plot, shades, chart.shade, palest);
  return {plot, x, y, shades};
}

void draw_line(Canvas& canvas, const Chart& chart, const Frame& frame, size_t index) {
  const Series& s = chart.series[index];
  std::vector<Point> run;
  const auto flush = [&] {
    canvas.polyline(run, line_width, colour_of(chart, index), s.dashed ? dash_length : 0);
    run.clear();
  };
  for (size_t i = 0; i < s.x.size(); ++i)
    if (shows(chart, s, i))
      run.push_back(frame.at(s, i));
    else
      flush();
  flush();
}

// Names points where they cover no other name, and little else.
void draw_point_labels(Canvas& canvas, const Chart& chart, const Frame& frame) {
  LabelPlaces places(frame.plot);
  for (const Series& s : chart.series)
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (!shows(chart, s, i)) continue;
      if (s.points) places.avoid_mark(frame.at(s, i), radius_of(s));
      if (s.line && i > 0 && shows(chart, s, i - 1))
        places.avoid_line(frame.at(s, i - 1), frame.at(s, i), line_width);
    }
  for (const Series& s : chart.series)
    for (size_t i = 0; i < s.labels.size(); ++i)
      if (shows(chart, s, i) && !s.labels[i].empty())
        draw_label(canvas, places, frame.at(s, i), radius_of(s), s.labels[i]);
}

// Points that a value shades have a dark rim, since pale ones would be lost on white.
void draw_points(Canvas& canvas, const Chart& chart, const Frame& frame, size_t index) {
  const Series& s = chart.series[index];
  for (size_t i = 0; i < s.x.size(); ++i) {
    if (!shows(chart, s, i)) continue;
    const Point at = frame.at(s, i);
    if (s.shades.empty()) {
      canvas.marker(series_marker(index), at, marker_radius, colour_of(chart, index));
      continue;
    }
    canvas.marker(series_marker(index), at, shaded_radius, ink);
    const double t = Scale(frame.shades, palest, 1, false)(s.shades[i]);
    canvas.marker(series_marker(index), at, shaded_radius - 1.5,
                  std::isfinite(t) ? shade(t) : white);
  }
}

}  // namespace

Canvas draw(const Chart& chart) {
  check(chart);
  Canvas canvas(chart.width, chart.height);
  const Frame frame = draw_axes(canvas, chart);
  canvas.clip(grown(frame.plot, marker_radius));
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const Series& s = chart.series[i];
    if (s.line) draw_line(canvas, chart, frame, i);
    if (s.points) draw_points(canvas, chart, frame, i);
  }
  draw_point_labels(canvas, chart, frame);
  return canvas;
}

}  // namespace espalier::bench
