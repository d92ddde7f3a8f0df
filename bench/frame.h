// What every figure shares: palette, heading with legend, axes, and the room that labels need.
#pragma once

#include <string>
#include <vector>

#include "bench/axis.h"
#include "bench/canvas.h"

namespace espalier::bench {

constexpr double title_size = 28, label_size = 21, text_size = 18;
constexpr double margin = 28;  // between a figure's edge and anything drawn
constexpr double gap = 10;     // between a label and what it names
constexpr Colour ink{34, 34, 34}, grid_colour{224, 224, 224}, axis_colour{110, 110, 110};

// Eight colours that stay apart for colour-blind readers (Okabe and Ito, 2008; without yellow,
// which is too pale for lines on white), repeating.
Colour series_colour(size_t index);
// Neighbours differ in marker too, and so does each repeat of a colour.
Marker series_marker(size_t index);

struct LegendEntry {
  std::string name = {};  // entries without a name are left out
  Colour colour;
  Marker marker = Marker::none;  // a square alone when `line` is false and this is none
  bool line = true;
  double dash = 0;
};

// Draws title and legend at the top, the legend wrapped into rows; returns the first free y.
double draw_heading(Canvas& canvas, const std::string& title,
                    const std::vector<LegendEntry>& legend);

// The widest of the labels, in pixels.
double widest(const std::vector<std::string>& labels, double size);

// How many pixels the vertical axis with these ticks needs left of the plot.
double y_axis_room(const std::vector<Tick>& ticks, const Axis& axis);

// Grid lines, tick labels and the axis label along the left or the bottom of `plot`. `room` is what
// y_axis_room() gave.
void draw_y_axis(Canvas& canvas, const Rect& plot, const Axis& axis, const Scale& scale,
                 const std::vector<Tick>& ticks, double room);
void draw_x_axis(Canvas& canvas, const Rect& plot, const Axis& axis, const Scale& scale,
                 const std::vector<Tick>& ticks);
// Pixels that a numeric x axis needs below the plot.
double x_axis_room(const Axis& axis);

// Labelled x ticks, few enough that their labels keep apart over `width` pixels.
std::vector<Tick> spaced_ticks(Interval values, double width, const Axis& axis);

// Names under (or, at the top of a table, over) equal slots along x; all are turned by 45 degrees
// when one is wider than its slot.
struct SlotLabels {
  SlotLabels(std::vector<std::string> names, double slot);
  double height() const;  // pixels that the names need
  // Pixels that the first name reaches left of its slot's centre.
  double overhang() const;
  void draw(Canvas& canvas, double left, double top) const;

  std::vector<std::string> names;
  double slot;
  bool turned;
};

}  // namespace espalier::bench
