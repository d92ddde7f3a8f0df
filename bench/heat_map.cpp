#include <algorithm>
#include <cmath>

#include "bench/colour_scale.h"
#include "bench/frame.h"
#include "bench/plot.h"
#include "engine/error.h"

namespace espalier::bench {
namespace {

void check(const HeatMap& map) {
  const size_t count = map.rows.size() * map.columns.size();
  if (map.values.size() != count || count == 0)
    argument_error("draw(HeatMap)", "values", std::to_string(map.values.size()) + " values",
                   std::to_string(map.rows.size()) + " x " + std::to_string(map.columns.size()) +
                       " of them, at least one",
                   "give one value a cell, row by row");
}

// Each cell's place on the colour scale.
std::vector<double> shades(const HeatMap& map) {
  const size_t width = map.columns.size();
  std::vector<double> out(map.values.size());
  const auto [least, greatest] = std::minmax_element(map.values.begin(), map.values.end());
  for (size_t i = 0; i < out.size(); ++i) {
    if (map.normalise_rows) {
      double sum = 0;
      for (size_t j = i / width * width; j < (i / width + 1) * width; ++j) sum += map.values[j];
      out[i] = sum > 0 ? map.values[i] / sum : 0;
    } else {
      out[i] = *greatest > *least ? (map.values[i] - *least) / (*greatest - *least) : 0;
    }
  }
  return out;
}

void draw_cells(Canvas& canvas, const HeatMap& map, const Rect& table) {
  const std::vector<double> place = shades(map);
  std::vector<std::string> numbers;
  for (double value : map.values) numbers.push_back(fixed(value, map.decimals));
  const double width = table.width / static_cast<double>(map.columns.size());
  const double height = table.height / static_cast<double>(map.rows.size());
  const double fit = (width - 6) / std::max(1.0, widest(numbers, text_size));
  const double size = text_size * std::min(1.0, fit);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const double x = table.x + static_cast<double>(i % map.columns.size()) * width;
    const double y = table.y + static_cast<double>(i / map.columns.size()) * height;
    const Colour fill = shade(place[i]);
    canvas.fill_rect({x, y, width, height}, fill);
    canvas.stroke_rect({x, y, width, height}, 0.5, grid_colour);
    canvas.text({x + width / 2, y + height / 2}, numbers[i],
                {.size = size,
                 .colour = luminance(fill) > 0.5 ? ink : white,
                 .horizontal = Horizontal::centre});
  }
  canvas.stroke_rect(table, 1, axis_colour);
}

}  // namespace

Canvas draw(const HeatMap& map) {
  check(map);
  const double columns = static_cast<double>(map.columns.size());
  const double rows = static_cast<double>(map.rows.size());
  const double side = map.row_label.empty() ? 0 : label_size + 1.5 * gap;
  double left = margin + side + widest(map.rows, text_size) + gap;
  SlotLabels labels(map.columns, (map.width - left - margin) / columns);
  left = std::max(left, margin + side + labels.overhang());
  labels.slot = (map.width - left - margin) / columns;
  const double cell = std::clamp(labels.slot * 0.75, 30.0, 64.0);
  const double under = map.column_label.empty() ? 0 : label_size + gap;
  const double head = 2 * margin + title_size;
  Canvas canvas(map.width, static_cast<int>(head + rows * cell + labels.height() + under + margin));
  const double top = draw_heading(canvas, map.title, {}) + gap;
  const Rect table = {left, top, columns * labels.slot, rows * cell};
  draw_cells(canvas, map, table);
  for (size_t r = 0; r < map.rows.size(); ++r)
    canvas.text({left - gap, top + (static_cast<double>(r) + 0.5) * cell}, map.rows[r],
                {.size = text_size, .colour = ink, .horizontal = Horizontal::right});
  labels.draw(canvas, left, table.bottom());
  canvas.text({margin, top + table.height / 2}, map.row_label,
              {.size = label_size,
               .colour = ink,
               .horizontal = Horizontal::centre,
               .vertical = Vertical::top,
               .degrees = 90});
  canvas.text({left + table.width / 2, table.bottom() + labels.height() + under - gap},
              map.column_label,
              {.size = label_size, .colour = ink, .horizontal = Horizontal::centre});
  return canvas;
}

}  // namespace espalier::bench
