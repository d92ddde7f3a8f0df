// Names beside the points of a figure, where they cover as little as possible and never each other
// while there is room.
#pragma once

#include <string>
#include <vector>

#include "bench/canvas.h"

namespace espalier::bench {

class LabelPlaces {
 public:
  explicit LabelPlaces(const Rect& area) : area_(area) {}

  // What labels should keep clear of: marks first, lines if it can be.
  void avoid_mark(Point centre, double radius);
  void avoid_line(Point from, Point to, double thickness);

  // The box of a label for a mark of `radius` around `point`: on one of its sides, else as near as
  // there is room inside the area. The labels to come keep clear of it.
  Rect place(Point point, double radius, double width, double height);

 private:
  struct Obstacle {
    Rect box;
    double cost;  // of being covered
  };
  double cost_of(const Rect& box) const;

  const Rect area_;
  std::vector<Obstacle> taken_;
};

// Writes `label` at such a place, with a thin line to its point where it stands apart.
void draw_label(Canvas& canvas, LabelPlaces& places, Point point, double radius,
                const std::string& label);

// The text, or as many of its first characters as fit before an ellipsis.
std::string shortened(std::string text, double size, double width);
// The same with the ellipsis in the middle: names often differ at their ends.
std::string shortened_inside(const std::string& text, double size, double width);

}  // namespace espalier::bench
