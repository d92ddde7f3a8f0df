#include "bench/frame.h"

#include <algorithm>
#include <numbers>

#include "bench/font.h"

namespace espalier::bench {
namespace {

constexpr Colour palette[] = {{0, 114, 178},  {213, 94, 0},  {0, 158, 115}, {204, 121, 167},
                              {86, 180, 233}, {230, 159, 0}, {0, 0, 0},     {136, 86, 40}};
constexpr Marker markers[] = {Marker::circle, Marker::square, Marker::triangle, Marker::diamond};
constexpr double swatch = 34;  // width of a legend entry's sample

void draw_swatch(Canvas& canvas, const LegendEntry& entry, double x, double y) {
  const Point ends[] = {{x, y}, {x + swatch, y}};
  if (entry.line) canvas.polyline(ends, 2.5, entry.colour, entry.dash);
  const bool box = !entry.line && entry.marker == Marker::none;
  if (box) canvas.fill_rect({x + swatch / 2 - 9, y - 9, 18, 18}, entry.colour);
  canvas.marker(entry.marker, {x + swatch / 2, y}, 6, entry.colour);
}

}  // namespace

Colour series_colour(size_t index) { return palette[index % std::size(palette)]; }

Marker series_marker(size_t index) {
  return markers[(index + index / std::size(palette)) % std::size(markers)];
}

double draw_heading(Canvas& canvas, const std::string& title,
                    const std::vector<LegendEntry>& legend) {
  double y = margin;
  if (!title.empty()) {
    const double room = canvas.width() - 2 * margin;
    const double fit = std::min(1.0, room / text_width(title, title_size));
    canvas.text({margin, y}, title,
                {.size = fit * title_size, .colour = ink, .vertical = Vertical::top});
    y += title_size + gap;
  }
  const double row = text_size + gap;
  double x = margin;
  for (const LegendEntry& entry : legend) {
    if (entry.name.empty()) continue;
    const double width = swatch + gap + text_width(entry.name, text_size) + 3 * gap;
    if (x > margin && x + width > canvas.width() - margin) x = margin, y += row;
    draw_swatch(canvas, entry, x, y + row / 2);
    canvas.text({x + swatch + gap, y + row / 2}, entry.name, {.size = text_size, .colour = ink});
    x += width;
  }
  return y + (x > margin ? row : 0) + gap;
}

double widest(const std::vector<std::string>& labels, double size) {
  double width = 0;
  for (const std::string& label : labels) width = std::max(width, text_width(label, size));
  return width;
}

double y_axis_room(const std::vector<Tick>& ticks, const Axis& axis) {
  std::vector<std::string> labels;
  for (const Tick& tick : ticks) labels.push_back(tick.label);
  return widest(labels, text_size) + gap + (axis.label.empty() ? 0 : label_size + 1.5 * gap);
}

void draw_y_axis(Canvas& canvas, const Rect& plot, const Axis& axis, const Scale& scale,
                 const std::vector<Tick>& ticks, double room) {
  for (const Tick& tick : ticks) {
    const double y = scale(tick.value);
    const bool minor = tick.label.empty();
    canvas.line({plot.x, y}, {plot.right(), y}, 1, mix(grid_colour, white, minor ? 0.6 : 0));
    canvas.text({plot.x - gap, y}, tick.label,
                {.size = text_size, .colour = ink, .horizontal = Horizontal::right});
  }
  canvas.text({plot.x - room, plot.y + plot.height / 2}, axis.label,
              {.size = label_size,
               .colour = ink,
               .horizontal = Horizontal::centre,
               .vertical = Vertical::top,
               .degrees = 90});
}

void draw_x_axis(Canvas& canvas, const Rect& plot, const Axis& axis, const Scale& scale,
                 const std::vector<Tick>& ticks) {
  for (const Tick& tick : ticks) {
    const double x = scale(tick.value);
    const bool minor = tick.label.empty();
    canvas.line({x, plot.y}, {x, plot.bottom()}, 1, mix(grid_colour, white, minor ? 0.6 : 0));
    canvas.text({x, plot.bottom() + gap}, tick.label,
                {.size = text_size,
                 .colour = ink,
                 .horizontal = Horizontal::centre,
                 .vertical = Vertical::top});
  }
  canvas.text({plot.x + plot.width / 2, plot.bottom() + x_axis_room(axis)}, axis.label,
              {.size = label_size, .colour = ink, .horizontal = Horizontal::centre});
}

double x_axis_room(const Axis& axis) {
  return gap + text_size + (axis.label.empty() ? 0 : gap + 0.6 * label_size);
}

std::vector<Tick> spaced_ticks(Interval values, double width, const Axis& axis) {
  const Scale scale(values, 0, width, axis.log);
  for (int count = std::max(2, static_cast<int>(width / 70));; --count) {
    std::vector<Tick> out = ticks(values, count, axis);
    double free_from = -1e9;
    bool apart = true;
    for (const Tick& tick : out) {
      if (tick.label.empty()) continue;
      const double half = text_width(tick.label, text_size) / 2, x = scale(tick.value);
      apart &= x - half >= free_from;
      free_from = x + half + gap;
    }
    if (apart || count <= 2) return out;
  }
}

SlotLabels::SlotLabels(std::vector<std::string> labels, double slot_width)
    : names(std::move(labels)),
      slot(slot_width),
      turned(widest(names, text_size) > slot_width - gap) {}

double SlotLabels::height() const {
  if (!turned) return text_size + gap;
  return gap + (widest(names, text_size) + text_size) / std::numbers::sqrt2;
}

double SlotLabels::overhang() const {
  double reach = 0;
  for (size_t i = 0; turned && i < names.size(); ++i)
    reach = std::max(reach, text_width(names[i], text_size) / std::numbers::sqrt2 -
                                (static_cast<double>(i) + 0.5) * slot);
  return reach;
}

void SlotLabels::draw(Canvas& canvas, double left, double top) const {
  for (size_t i = 0; i < names.size(); ++i) {
    const double centre = left + (static_cast<double>(i) + 0.5) * slot;
    TextStyle style = {.size = text_size,
                       .colour = ink,
                       .horizontal = Horizontal::centre,
                       .vertical = Vertical::top};
    if (turned) style.horizontal = Horizontal::right, style.degrees = 45;
    canvas.text({centre, top + gap}, names[i], style);
  }
}

}  // namespace espalier::bench
