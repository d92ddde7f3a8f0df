// The embedded DejaVu Sans face: measures text and yields the coverage of its glyphs.
#pragma once

#include <functional>
#include <string_view>

namespace espalier::bench {

// `size` is pixels an em; text is UTF-8, and a malformed byte shows as U+FFFD.
double text_width(std::string_view text, double size);
double cap_height(double size);

// Calls put(x, y, coverage) for the pixels that the text touches. Its baseline starts at the
// origin and rises by `angle` radians counter-clockwise.
void draw_glyphs(std::string_view text, double size, double origin_x, double origin_y, double angle,
                 const std::function<void(int x, int y, double coverage)>& put);

}  // namespace espalier::bench
