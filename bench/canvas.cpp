#include "bench/canvas.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "bench/font.h"

namespace espalier::bench {
namespace {

double unit(double value) { return std::clamp(value, 0.0, 1.0); }

// Distance from p to the segment a b.
double distance(Point p, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double square = dx * dx + dy * dy;
  const double t = square > 0 ? unit(((p.x - a.x) * dx + (p.y - a.y) * dy) / square) : 0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

// Cuts a polyline into strokes of length `dash` with gaps as long between them.
std::vector<std::vector<Point>> dashes(std::span<const Point> points, double dash) {
  std::vector<std::vector<Point>> strokes = {{points.front()}};
  double left = dash;
  bool drawing = true;
  for (size_t i = 1; i < points.size(); ++i) {
    Point from = points[i - 1];
    const Point to = points[i];
    double length = std::hypot(to.x - from.x, to.y - from.y);
    while (length > left) {
      const double t = left / length;
      from = {from.x + t * (to.x - from.x), from.y + t * (to.y - from.y)};
      if (drawing) strokes.back().push_back(from);
      drawing = !drawing;
      if (drawing) strokes.push_back({from});
      length -= left;
      left = dash;
    }
    left -= length;
    if (drawing) strokes.back().push_back(to);
  }
  return strokes;
}

}  // namespace

Colour mix(const Colour& a, const Colour& b, double t) {
  const auto channel = [t](uint8_t from, uint8_t to) {
    return static_cast<uint8_t>(std::lround((1 - t) * from + t * to));
  };
  return {channel(a.red, b.red), channel(a.green, b.green), channel(a.blue, b.blue),
          (1 - t) * a.opacity + t * b.opacity};
}

double luminance(const Colour& colour) {
  return (0.2126 * colour.red + 0.7152 * colour.green + 0.0722 * colour.blue) / 255;
}

bool overlap(const Rect& a, const Rect& b) {
  return a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom();
}

Rect grown(const Rect& r, double by) {
  return {r.x - by, r.y - by, r.width + 2 * by, r.height + 2 * by};
}

Canvas::Canvas(int width, int height, Colour background)
    : width_(width), height_(height), clip_{0, 0, width, height} {
  rgb_.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  fill_rect({0, 0, static_cast<double>(width), static_cast<double>(height)}, background);
}

Colour Canvas::pixel(int x, int y) const {
  const uint8_t* at =
      &rgb_[(static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x)) * 3];
  return {at[0], at[1], at[2]};
}

void Canvas::clip(const Rect& area) {
  unclip();
  clip_ = cover(area.x, area.y, area.right(), area.bottom());
}

void Canvas::unclip() { clip_ = {0, 0, width_, height_}; }

Canvas::Box Canvas::cover(double left, double top, double right, double bottom) const {
  const auto inside = [](double value, int low, int high) {
    return static_cast<int>(std::clamp(value, static_cast<double>(low), static_cast<double>(high)));
  };
  return {inside(std::floor(left), clip_.left, clip_.right),
          inside(std::floor(top), clip_.top, clip_.bottom),
          inside(std::ceil(right), clip_.left, clip_.right),
          inside(std::ceil(bottom), clip_.top, clip_.bottom)};
}

void Canvas::blend(int x, int y, const Colour& colour, double coverage) {
  const double weight = coverage * colour.opacity;
  if (weight <= 0) return;
  uint8_t* at =
      &rgb_[(static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x)) * 3];
  const uint8_t channels[3] = {colour.red, colour.green, colour.blue};
  for (int c = 0; c < 3; ++c)
    at[c] = static_cast<uint8_t>(std::lround(at[c] + weight * (channels[c] - at[c])));
}

template <class Coverage>
void Canvas::paint(double left, double top, double right, double bottom, const Colour& colour,
                   Coverage coverage) {
  const Box box = cover(left, top, right, bottom);
  for (int y = box.top; y < box.bottom; ++y)
    for (int x = box.left; x < box.right; ++x)
      blend(x, y, colour, coverage(Point{x + 0.5, y + 0.5}));
}

void Canvas::fill_rect(const Rect& area, const Colour& colour) {
  const auto covered = [](double centre, double low, double high) {
    return std::max(0.0, std::min(high, centre + 0.5) - std::max(low, centre - 0.5));
  };
  paint(area.x, area.y, area.right(), area.bottom(), colour, [&](Point p) {
    return covered(p.x, area.x, area.right()) * covered(p.y, area.y, area.bottom());
  });
}

void Canvas::stroke_rect(const Rect& area, double thickness, const Colour& colour) {
  const double t = thickness;
  fill_rect({area.x, area.y, area.width, t}, colour);
  fill_rect({area.x, area.bottom() - t, area.width, t}, colour);
  fill_rect({area.x, area.y + t, t, area.height - 2 * t}, colour);
  fill_rect({area.right() - t, area.y + t, t, area.height - 2 * t}, colour);
}

void Canvas::fill_circle(Point centre, double radius, const Colour& colour) {
  const double reach = radius + 1;
  paint(centre.x - reach, centre.y - reach, centre.x + reach, centre.y + reach, colour,
        [&](Point p) { return unit(radius + 0.5 - std::hypot(p.x - centre.x, p.y - centre.y)); });
}

void Canvas::fill_convex(std::span<const Point> corners, const Colour& colour) {
  Point low = corners[0], high = corners[0];
  for (const Point& c : corners) {
    low = {std::min(low.x, c.x), std::min(low.y, c.y)};
    high = {std::max(high.x, c.x), std::max(high.y, c.y)};
  }
  paint(low.x - 1, low.y - 1, high.x + 1, high.y + 1, colour, [&](Point p) {
    double outside = -1;  // the largest signed distance beyond an edge
    for (size_t i = 0; i < corners.size(); ++i) {
      const Point a = corners[i], b = corners[(i + 1) % corners.size()];
      const double dx = b.x - a.x, dy = b.y - a.y;
      outside = std::max(outside, ((p.x - a.x) * dy - (p.y - a.y) * dx) / std::hypot(dx, dy));
    }
    return unit(0.5 - outside);
  });
}

void Canvas::marker(Marker shape, Point centre, double radius, const Colour& colour) {
  if (shape == Marker::none) return;
  if (shape == Marker::circle) return fill_circle(centre, radius, colour);
  const int corners = shape == Marker::triangle ? 3 : 4;
  const double turn = shape == Marker::square ? 0.25 : 0;  // of a quarter circle per corner
  const double reach = radius * (shape == Marker::triangle ? 1.35 : 1.25);
  std::vector<Point> points;
  for (int i = 0; i < corners; ++i) {
    const double angle = 2 * std::numbers::pi * ((i + 2 * turn) / corners - 0.25);
    points.push_back({centre.x + reach * std::cos(angle), centre.y + reach * std::sin(angle)});
  }
  fill_convex(points, colour);
}

void Canvas::line(Point from, Point to, double thickness, const Colour& colour) {
  const Point points[] = {from, to};
  polyline(points, thickness, colour);
}

// Coverage is gathered over all segments before it is blended, so that joins are not painted twice.
void Canvas::polyline(std::span<const Point> points, double thickness, const Colour& colour,
                      double dash) {
  if (points.empty()) return;
  if (dash > 0) {
    for (const auto& stroke : dashes(points, dash)) polyline(stroke, thickness, colour);
    return;
  }
  const double half = thickness / 2, reach = half + 1;
  const auto [left, right] = std::minmax_element(
      points.begin(), points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  const auto [top, bottom] = std::minmax_element(
      points.begin(), points.end(), [](const Point& a, const Point& b) { return a.y < b.y; });
  const Box all = cover(left->x - reach, top->y - reach, right->x + reach, bottom->y + reach);
  const size_t width = static_cast<size_t>(all.right - all.left);
  std::vector<float> mask(width * static_cast<size_t>(all.bottom - all.top));
  const auto at = [&](int x, int y) -> float& {
    return mask[static_cast<size_t>(y - all.top) * width + static_cast<size_t>(x - all.left)];
  };
  for (size_t i = 0; i < points.size(); ++i) {
    const Point a = points[i], b = points[std::min(i + 1, points.size() - 1)];
    const Box box = cover(std::min(a.x, b.x) - reach, std::min(a.y, b.y) - reach,
                          std::max(a.x, b.x) + reach, std::max(a.y, b.y) + reach);
    for (int y = box.top; y < box.bottom; ++y)
      for (int x = box.left; x < box.right; ++x) {
        const double covered = unit(half + 0.5 - distance({x + 0.5, y + 0.5}, a, b));
        at(x, y) = std::max(at(x, y), static_cast<float>(std::min(covered, thickness)));
      }
  }
  for (int y = all.top; y < all.bottom; ++y)
    for (int x = all.left; x < all.right; ++x) blend(x, y, colour, static_cast<double>(at(x, y)));
}

void Canvas::text(Point anchor, std::string_view text, const TextStyle& style) {
  const double angle = style.degrees * std::numbers::pi / 180;
  const double along = -text_width(text, style.size) * static_cast<int>(style.horizontal) / 2;
  const double down = cap_height(style.size) * static_cast<int>(style.vertical) / 2;
  const Point origin = {anchor.x + along * std::cos(angle) + down * std::sin(angle),
                        anchor.y - along * std::sin(angle) + down * std::cos(angle)};
  draw_glyphs(text, style.size, origin.x, origin.y, angle, [&](int x, int y, double coverage) {
    if (x >= clip_.left && x < clip_.right && y >= clip_.top && y < clip_.bottom)
      blend(x, y, style.colour, coverage);
  });
}

void Canvas::grey_image(const Rect& area, std::span<const uint8_t> grey, int rows, int columns) {
  paint(area.x, area.y, area.right(), area.bottom(), white, [](Point) { return 1.0; });
  const double down = area.height / rows, across = area.width / columns;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      const uint8_t value =
          grey[static_cast<size_t>(r) * static_cast<size_t>(columns) + static_cast<size_t>(c)];
      fill_rect({area.x + c * across, area.y + r * down, across, down}, {value, value, value});
    }
}

void Canvas::paste(const Canvas& picture, int left, int top) {
  const Box box = cover(left, top, left + picture.width_, top + picture.height_);
  for (int y = box.top; y < box.bottom; ++y)
    for (int x = box.left; x < box.right; ++x) blend(x, y, picture.pixel(x - left, y - top), 1);
}

}  // namespace espalier::bench
