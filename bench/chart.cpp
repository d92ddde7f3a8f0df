#include <algorithm>
#include <cmath>

#include "bench/font.h"
#include "bench/frame.h"
#include "bench/plot.h"
#include "engine/error.h"

namespace espalier::bench {
namespace {

constexpr double line_width = 2.5, dash_length = 9, marker_radius = 6;

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
    if (s.x.size() != s.y.size() || (!s.labels.empty() && s.labels.size() != s.x.size()))
      argument_error("draw(Chart)", ("series \"" + s.name + "\"").c_str(),
                     std::to_string(s.x.size()) + " x, " + std::to_string(s.y.size()) + " y and " +
                         std::to_string(s.labels.size()) + " labels",
                     "one y a x, and as many labels or none", "pass vectors of one length");
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

struct Frame {
  Rect plot;
  Scale x, y;
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
  const Rect plot = {left, top, canvas.width() - left - margin - gap, height};
  const Interval x_values =
      nice_limits(chart.x, data_range(chart, &Series::x), static_cast<int>(plot.width / 110));
  const Scale x(x_values, plot.x, plot.right(), chart.x.log);
  const Scale y(y_values, plot.bottom(), plot.y, chart.y.log);
  draw_y_axis(canvas, plot, chart.y, y, y_ticks, room);
  draw_x_axis(canvas, plot, chart.x, x, spaced_ticks(x_values, plot.width, chart.x));
  canvas.stroke_rect(plot, 1, axis_colour);
  return {plot, x, y};
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

Rect grown(const Rect& r, double by) {
  return {r.x - by, r.y - by, r.width + 2 * by, r.height + 2 * by};
}

// What labels should keep clear of: points, and lines as a row of small boxes.
std::vector<Rect> obstacles(const Chart& chart, const Frame& frame) {
  std::vector<Rect> out;
  for (const Series& s : chart.series)
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (!shows(chart, s, i)) continue;
      const Point p = frame.at(s, i);
      if (s.points) out.push_back(grown({p.x, p.y, 0, 0}, marker_radius));
      if (!s.line || i == 0 || !shows(chart, s, i - 1)) continue;
      const Point q = frame.at(s, i - 1);
      const int pieces = static_cast<int>(std::min(1e3, std::hypot(p.x - q.x, p.y - q.y) / 8)) + 1;
      for (int k = 0; k <= pieces; ++k) {
        const double t = static_cast<double>(k) / pieces;
        out.push_back(grown({p.x + t * (q.x - p.x), p.y + t * (q.y - p.y), 0, 0}, line_width));
      }
    }
  return out;
}

// Puts each label on that of eight sides of its point where it meets the fewest obstacles, other
// labels among them, and stays inside the plot.
void draw_point_labels(Canvas& canvas, const Chart& chart, const Frame& frame) {
  std::vector<Rect> taken = obstacles(chart, frame);
  constexpr double size = 16, reach = marker_radius + 5;
  constexpr Point sides[] = {{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {1, -1}, {1, 1}, {-1, -1}, {-1, 1}};
  const auto cost = [&](const Rect& box) {
    const Rect& in = frame.plot;
    const bool outside =
        box.x < in.x || box.y < in.y || box.right() > in.right() || box.bottom() > in.bottom();
    const auto met = std::count_if(taken.begin(), taken.end(),
                                   [&](const Rect& other) { return overlap(box, other); });
    return met + (outside ? 1000000 : 0);
  };
  for (const Series& s : chart.series)
    for (size_t i = 0; i < s.labels.size(); ++i) {
      if (!shows(chart, s, i) || s.labels[i].empty()) continue;
      const Point p = frame.at(s, i);
      const double width = text_width(s.labels[i], size);
      std::vector<Rect> places;
      for (const Point& side : sides)
        places.push_back({p.x + side.x * (reach + width / 2) - width / 2,
                          p.y + side.y * (reach + size / 2) - size / 2, width, size});
      const Rect chosen =
          *std::min_element(places.begin(), places.end(),
                            [&](const Rect& a, const Rect& b) { return cost(a) < cost(b); });
      canvas.text({chosen.x, chosen.y + size / 2}, s.labels[i], {.size = size, .colour = ink});
      taken.push_back(chosen);
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
    for (size_t j = 0; s.points && j < s.x.size(); ++j)
      if (shows(chart, s, j))
        canvas.marker(series_marker(i), frame.at(s, j), marker_radius, colour_of(chart, i));
  }
  draw_point_labels(canvas, chart, frame);
  return canvas;
}

}  // namespace espalier::bench
