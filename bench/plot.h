// The figures that reports hold. Each draw() returns the finished picture; sizes are pixels.
//
// Values that an axis cannot show (NaN, infinities, and on a log axis what is not positive) are
// left out, and a line is broken there. Arguments whose lengths disagree are refused.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/axis.h"
#include "bench/canvas.h"

namespace espalier::bench {

struct Series {
  std::string name = {};  // empty: not in the legend
  std::vector<double> x = {}, y = {};
  bool line = true, points = false, dashed = false;
  std::vector<std::string> labels = {};  // one a point, or none
  std::optional<Colour> colour = {};     // in place of the palette's
  std::vector<double> shades = {};       // that colour the points by Chart::shade, or none
};

// Lines and scatters: several series over two axes.
struct Chart {
  std::string title = {};
  Axis x = {}, y = {};
  Axis shade = {};  // linear; of the colour bar, where a series has shades
  std::vector<Series> series = {};
  int width = 1200, height = 720;
};
Canvas draw(const Chart& chart);

struct BarSeries {
  std::string name = {};
  std::vector<double> values = {};          // one a category; NaN for none
  std::vector<double> low = {}, high = {};  // ends of the whiskers, or none
};

// Grouped bars from zero, with their values written on top; or, where differences are small against
// values, marks with their whiskers on an axis that starts where they do.
struct BarChart {
  std::string title = {};
  Axis value = {};                           // linear
  std::vector<std::string> categories = {};  // cut with "…" where very long
  std::vector<BarSeries> series = {};
  int decimals = 1;  // of the written values
  bool marks = false;
  int width = 1200, height = 720;
};
Canvas draw(const BarChart& chart);

// A matrix with its numbers in the cells. Colour shows each value's share of its row's sum when
// `normalise_rows` is set (a confusion matrix), else its place between the least and the greatest.
struct HeatMap {
  std::string title = {}, row_label = {}, column_label = {};
  std::vector<std::string> rows = {}, columns = {};
  std::vector<double> values = {};  // rows x columns
  bool normalise_rows = false;
  int decimals = 0;
  int width = 1100;  // the height follows from the rows
};
Canvas draw(const HeatMap& map);

}  // namespace espalier::bench
