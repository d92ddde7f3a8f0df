#include "bench/labels.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "bench/font.h"
#include "bench/frame.h"

namespace espalier::bench {
namespace {

constexpr double label_text = 16, clearance = 5, beside_a_line = 8;
// Costs of covering a label, a mark, a piece of a line; of leaving the area; of each step away.
constexpr double over_label = 1e4, over_mark = 300, over_line = 3, outside = 1e6, step_away = 4;
constexpr int farthest = 14;  // steps

Point nearest(const Rect& box, Point p) {
  return {std::clamp(p.x, box.x, box.right()), std::clamp(p.y, box.y, box.bottom())};
}

// The boxes that may be taken, nearest first: eight sides, then circles of growing reach.
template <class Visit>
void candidates(Point p, double reach, double width, double height, Visit&& visit) {
  constexpr Point sides[] = {{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {1, -1}, {1, 1}, {-1, -1}, {-1, 1}};
  const auto box = [&](double x, double y) {
    return Rect{p.x + x - width / 2, p.y + y - height / 2, width, height};
  };
  for (const Point& side : sides)
    visit(box(side.x * (reach + width / 2), side.y * (reach + height / 2)), 0);
  constexpr int directions = 16;
  for (int step = 1; step <= farthest; ++step)
    for (int d = 0; d < directions; ++d) {
      const double angle = 2 * std::numbers::pi * d / directions;
      const double away = reach + step * height * 0.75;
      visit(box(std::cos(angle) * (away + width / 2), -std::sin(angle) * (away + height / 2)),
            step);
    }
}

}  // namespace

void LabelPlaces::avoid_mark(Point centre, double radius) {
  taken_.push_back({grown({centre.x, centre.y, 0, 0}, radius), over_mark});
}

// As a row of small boxes.
void LabelPlaces::avoid_line(Point from, Point to, double thickness) {
  const double length = std::hypot(to.x - from.x, to.y - from.y);
  const int pieces = static_cast<int>(std::min(1e3, length / beside_a_line)) + 1;
  for (int k = 0; k <= pieces; ++k) {
    const double t = static_cast<double>(k) / pieces;
    const Point at = {std::lerp(from.x, to.x, t), std::lerp(from.y, to.y, t)};
    taken_.push_back({grown({at.x, at.y, 0, 0}, thickness), over_line});
  }
}

double LabelPlaces::cost_of(const Rect& box) const {
  const bool out = box.x < area_.x || box.y < area_.y || box.right() > area_.right() ||
                   box.bottom() > area_.bottom();
  double cost = out ? outside : 0;
  for (const Obstacle& each : taken_)
    if (overlap(box, each.box)) cost += each.cost;
  return cost;
}

Rect LabelPlaces::place(Point point, double radius, double width, double height) {
  Rect best;
  double least = INFINITY;
  candidates(point, radius + clearance, width, height, [&](const Rect& box, int step) {
    if (step * step_away >= least) return;
    const double cost = cost_of(box) + step * step_away;
    if (cost < least) least = cost, best = box;
  });
  taken_.push_back({grown(best, 1), over_label});
  return best;
}

void draw_label(Canvas& canvas, LabelPlaces& places, Point point, double radius,
                const std::string& label) {
  const Rect box = places.place(point, radius, text_width(label, label_text), label_text);
  const Point end = nearest(box, point);
  if (std::hypot(end.x - point.x, end.y - point.y) > radius + 1.3 * clearance)
    canvas.line(point, end, 1, axis_colour);
  canvas.text({box.x, box.y + box.height / 2}, label, {.size = label_text, .colour = ink});
}

std::string shortened(std::string text, double size, double width) {
  if (text_width(text, size) <= width) return text;
  while (!text.empty() && text_width(text + "…", size) > width) {
    while (text.size() > 1 && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80)
      text.pop_back();
    text.pop_back();
  }
  return text + "…";
}

std::string shortened_inside(const std::string& text, double size, double width) {
  if (text_width(text, size) <= width) return text;
  std::vector<std::string> characters;  // UTF-8
  for (char c : text)
    if (characters.empty() || (static_cast<unsigned char>(c) & 0xc0) != 0x80)
      characters.emplace_back(1, c);
    else
      characters.back() += c;
  std::string head, tail;
  for (size_t i = 0; i < characters.size() / 2; ++i) {
    std::string longer_head = head + characters[i];
    std::string longer_tail = characters[characters.size() - 1 - i] + tail;
    if (text_width(longer_head + "…" + tail, size) > width) break;
    head = std::move(longer_head);
    if (text_width(head + "…" + longer_tail, size) > width) break;
    tail = std::move(longer_tail);
  }
  return head + "…" + tail;
}

}  // namespace espalier::bench
