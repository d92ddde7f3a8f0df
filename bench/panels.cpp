#include "bench/panels.h"

#include <algorithm>
#include <numeric>

#include "bench/frame.h"

namespace espalier::bench {

Canvas draw(const Panels& sheet) {
  const size_t across = static_cast<size_t>(std::max(1, sheet.across));
  const size_t count = sheet.panels.size();
  std::vector<int> widths(std::min(across, count)), heights((count + across - 1) / across);
  for (size_t i = 0; i < count; ++i) {
    int &width = widths[i % across], &height = heights[i / across];
    width = std::max(width, sheet.panels[i].width());
    height = std::max(height, sheet.panels[i].height());
  }
  const auto sum = [](const std::vector<int>& sizes, size_t first) {
    return std::accumulate(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(first), 0);
  };
  const int head = sheet.title.empty() ? 0 : static_cast<int>(margin + title_size + gap);
  const int least = static_cast<int>(2 * margin);
  Canvas canvas(std::max(least, sum(widths, widths.size())),
                std::max(least, head + sum(heights, heights.size())));
  if (head > 0) draw_heading(canvas, sheet.title, {});
  for (size_t i = 0; i < count; ++i)
    canvas.paste(sheet.panels[i], sum(widths, i % across), head + sum(heights, i / across));
  return canvas;
}

}  // namespace espalier::bench
