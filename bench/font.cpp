#include "bench/font.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#define STB_TRUETYPE_IMPLEMENTATION
#define STBTT_STATIC
#include <stb/stb_truetype.h>

// The file of the face becomes read-only data of the program, with no copy in the source tree.
__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    "espalier_font_begin: .incbin \"" ESPALIER_FONT
    "\"\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" const unsigned char espalier_font_begin[];

namespace espalier::bench {
namespace {

const stbtt_fontinfo& face() {
  static const stbtt_fontinfo info = [] {
    stbtt_fontinfo loaded;
    stbtt_InitFont(&loaded, espalier_font_begin, 0);
    return loaded;
  }();
  return info;
}

double scale_for(double size) {
  return static_cast<double>(stbtt_ScaleForMappingEmToPixels(&face(), static_cast<float>(size)));
}

// Takes one code point off the front of `text`.
int next_code_point(std::string_view& text) {
  constexpr int replacement = 0xfffd;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  bool valid = length >= 1 && length <= text.size();
  int code = length <= 1 ? first : first & (0x7f >> length);
  for (size_t i = 1; valid && i < length; ++i) {
    valid = (byte(i) & 0xc0) == 0x80;
    code = code << 6 | (byte(i) & 0x3f);
  }
  text.remove_prefix(valid ? length : 1);
  return valid ? code : replacement;
}

// Calls f(glyph, pen) with the pen's place in font units, and returns the place after the last.
template <class F>
double walk(std::string_view text, F f) {
  double pen = 0;
  int previous = 0;
  while (!text.empty()) {
    const int glyph = stbtt_FindGlyphIndex(&face(), next_code_point(text));
    if (previous) pen += stbtt_GetGlyphKernAdvance(&face(), previous, glyph);
    f(glyph, pen);
    int advance = 0, bearing = 0;
    stbtt_GetGlyphHMetrics(&face(), glyph, &advance, &bearing);
    pen += advance;
    previous = glyph;
  }
  return pen;
}

struct Bounds {
  double left = 1e9, top = 1e9, right = -1e9, bottom = -1e9;
  void add(double x, double y) {
    left = std::min(left, x), right = std::max(right, x);
    top = std::min(top, y), bottom = std::max(bottom, y);
  }
};

// The outline of a glyph turned by `angle`, in font units with y upwards.
std::vector<stbtt_vertex> turned_outline(int glyph, double angle) {
  stbtt_vertex* raw = nullptr;
  const int count = stbtt_GetGlyphShape(&face(), glyph, &raw);
  std::vector<stbtt_vertex> outline(raw, raw + count);
  stbtt_FreeShape(&face(), raw);
  const double c = std::cos(angle), s = std::sin(angle);
  const auto turn = [&](short& x, short& y) {
    const double across = c * x - s * y, up = s * x + c * y;
    x = static_cast<short>(std::lround(across));
    y = static_cast<short>(std::lround(up));
  };
  for (stbtt_vertex& v : outline) {
    turn(v.x, v.y);
    if (v.type == STBTT_vcurve) turn(v.cx, v.cy);
  }
  return outline;
}

}  // namespace

double text_width(std::string_view text, double size) {
  return walk(text, [](int, double) {}) * scale_for(size);
}

double cap_height(double size) { return 0.729 * size; }  // DejaVu's capitals: 1493 of 2048 units

void draw_glyphs(std::string_view text, double size, double origin_x, double origin_y, double angle,
                 const std::function<void(int x, int y, double coverage)>& put) {
  const double scale = scale_for(size);
  std::vector<unsigned char> coverage;
  walk(text, [&](int glyph, double pen) {
    std::vector<stbtt_vertex> outline = turned_outline(glyph, angle);
    if (outline.empty()) return;
    const double x = origin_x + pen * scale * std::cos(angle);
    const double y = origin_y - pen * scale * std::sin(angle);
    Bounds bounds;
    for (const stbtt_vertex& v : outline) {
      bounds.add(x + v.x * scale, y - v.y * scale);
      if (v.type == STBTT_vcurve) bounds.add(x + v.cx * scale, y - v.cy * scale);
    }
    const int left = static_cast<int>(std::floor(bounds.left));
    const int top = static_cast<int>(std::floor(bounds.top));
    stbtt__bitmap bitmap = {};
    bitmap.w = static_cast<int>(std::ceil(bounds.right)) - left + 1;
    bitmap.h = static_cast<int>(std::ceil(bounds.bottom)) - top + 1;
    bitmap.stride = bitmap.w;
    coverage.assign(static_cast<size_t>(bitmap.w) * static_cast<size_t>(bitmap.h), 0);
    bitmap.pixels = coverage.data();
    const float unit = static_cast<float>(scale);
    stbtt_Rasterize(&bitmap, 0.1f, outline.data(), static_cast<int>(outline.size()), unit, unit,
                    static_cast<float>(x - left), static_cast<float>(y - top), 0, 0, 1, nullptr);
    for (int row = 0; row < bitmap.h; ++row)
      for (int column = 0; column < bitmap.w; ++column)
        if (const int value = bitmap.pixels[row * bitmap.stride + column])
          put(left + column, top + row, value / 255.0);
  });
}

}  // namespace espalier::bench
