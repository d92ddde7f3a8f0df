#include "bench/gallery.h"

#include <algorithm>
#include <cmath>

#include "bench/font.h"
#include "bench/frame.h"
#include "bench/labels.h"
#include "engine/error.h"

namespace espalier::bench {
namespace {

constexpr double line_height = text_size * 1.35, frame_width = 3;
constexpr Colour right{0, 114, 178}, wrong{213, 94, 0};

void check(const Gallery& g) {
  const size_t size =
      static_cast<size_t>(std::max(0, g.rows)) * static_cast<size_t>(std::max(0, g.columns));
  for (const Picture& picture : g.pictures)
    if (picture.grey.size() != size || size == 0)
      argument_error("draw(Gallery)", "picture", std::to_string(picture.grey.size()) + " pixels",
                     std::to_string(g.rows) + " x " + std::to_string(g.columns),
                     "set rows and columns to the pictures' size");
}

void draw_picture(Canvas& canvas, const Gallery& g, const Picture& picture, const Rect& area) {
  using Verdict = Picture::Verdict;
  const Colour mark = picture.verdict == Verdict::right   ? right
                      : picture.verdict == Verdict::wrong ? wrong
                                                          : axis_colour;
  const double f = frame_width;
  canvas.fill_rect({area.x - f, area.y - f, area.width + 2 * f, area.height + 2 * f}, mark);
  canvas.grey_image(area, picture.grey, g.rows, g.columns);
  double y = area.bottom() + f + line_height / 2 + 2;
  for (size_t i = 0; i < picture.caption.size(); ++i, y += line_height)
    canvas.text({area.x + area.width / 2, y},
                shortened(picture.caption[i], text_size, area.width + 2 * f),
                {.size = text_size,
                 .colour = i == 0 && picture.verdict != Verdict::none ? mark : ink,
                 .horizontal = Horizontal::centre});
}

}  // namespace

Canvas draw(const Gallery& g) {
  check(g);
  const int across = std::max(1, g.across);
  const double slot = (g.width - 2 * margin + 2 * gap) / across;
  const double scale = std::max(1.0, std::floor((slot - 2 * gap) / g.columns));
  const double width = scale * g.columns, height = scale * g.rows;
  size_t lines = 0;
  for (const Picture& picture : g.pictures) lines = std::max(lines, picture.caption.size());
  const double pitch = height + static_cast<double>(lines) * line_height + 3 * gap;
  const int down = (static_cast<int>(g.pictures.size()) + across - 1) / across;
  const double head = g.title.empty() ? margin : margin + title_size + 2 * gap;
  Canvas canvas(g.width, static_cast<int>(head + down * pitch + margin));
  const double top = draw_heading(canvas, g.title, {});
  for (size_t i = 0; i < g.pictures.size(); ++i) {
    const int row = static_cast<int>(i) / across, column = static_cast<int>(i) % across;
    const double x = std::floor(margin - gap + column * slot + (slot - width) / 2);
    draw_picture(canvas, g, g.pictures[i], {x, std::floor(top + row * pitch), width, height});
  }
  return canvas;
}

}  // namespace espalier::bench
