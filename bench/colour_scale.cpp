#include "bench/colour_scale.h"

#include <algorithm>
#include <cmath>

#include "bench/frame.h"

namespace espalier::bench {
namespace {

constexpr double bar_width = 18;

std::vector<Tick> bar_ticks(Interval values, double height, const Axis& axis) {
  return ticks(values, std::max(2, static_cast<int>(height / 65)), axis);
}

}  // namespace

// ColorBrewer's Blues (C. Brewer), one hue, so that colour-blind readers see the same order.
Colour shade(double t) {
  static constexpr Colour stops[] = {
      {255, 255, 255}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}};
  constexpr int last = static_cast<int>(std::size(stops)) - 1;
  const double place = std::clamp(t, 0.0, 1.0) * last;
  const int from = std::min(static_cast<int>(place), last - 1);
  return mix(stops[from], stops[from + 1], place - from);
}

double colour_bar_room(Interval values, double height, const Axis& axis) {
  return 2 * gap + bar_width + y_axis_room(bar_ticks(values, height, axis), axis);
}

void draw_colour_bar(Canvas& canvas, const Rect& plot, Interval values, const Axis& axis,
                     double palest) {
  const double left = plot.right() + 2 * gap;
  // Whole pixels: halves of two colours would let the ground through.
  const int rows = static_cast<int>(plot.height);
  for (int row = 0; row < rows; ++row)
    canvas.fill_rect({left, std::floor(plot.bottom()) - row - 1, bar_width, 1},
                     shade(palest + (1 - palest) * (row + 0.5) / rows));
  canvas.stroke_rect({left, plot.y, bar_width, plot.height}, 1, axis_colour);
  const Scale scale(values, plot.bottom(), plot.y, false);
  const std::vector<Tick> marks = bar_ticks(values, plot.height, axis);
  for (const Tick& tick : marks) {
    const double right = left + bar_width, y = scale(tick.value);
    canvas.line({right, y}, {right + gap / 2, y}, 1, axis_colour);
    canvas.text({right + gap, y}, tick.label, {.size = text_size, .colour = ink});
  }
  const double far_edge = left + bar_width + y_axis_room(marks, axis);
  canvas.text({far_edge - label_size, plot.y + plot.height / 2}, axis.label,
              {.size = label_size,
               .colour = ink,
               .horizontal = Horizontal::centre,
               .vertical = Vertical::top,
               .degrees = 90});
}

}  // namespace espalier::bench
