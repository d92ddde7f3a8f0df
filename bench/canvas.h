// A small RGB raster: anti-aliased shapes, text, and PNG out.
//
// Coordinates are pixels from the top left corner, y downwards; the centre of the first pixel is
// (0.5, 0.5). Whatever lies outside the canvas, or outside the clip, is cut off.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace espalier::bench {

struct Colour {
  uint8_t red = 0, green = 0, blue = 0;
  double opacity = 1.0;
};

// (1 - t) a + t b, for t in [0, 1].
Colour mix(const Colour& a, const Colour& b, double t);
// How bright the colour looks, in [0, 1] (Rec. 709 weights).
double luminance(const Colour& colour);

constexpr Colour white{255, 255, 255}, black{0, 0, 0};

struct Point {
  double x = 0, y = 0;
};

struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

bool overlap(const Rect& a, const Rect& b);
// With each side moved outwards.
Rect grown(const Rect& r, double by);

enum class Marker { none, circle, square, triangle, diamond };
enum class Horizontal { left, centre, right };
enum class Vertical { baseline, middle, top };  // of the capital letters

struct TextStyle {
  double size = 20;  // pixels an em
  Colour colour = black;
  Horizontal horizontal = Horizontal::left;
  Vertical vertical = Vertical::middle;
  double degrees = 0;  // counter-clockwise about the anchor
};

class Canvas {
 public:
  Canvas(int width, int height, Colour background = white);

  int width() const { return width_; }
  int height() const { return height_; }
  Colour pixel(int x, int y) const;
  std::span<const uint8_t> rgb() const { return rgb_; }  // height x width x 3

  // Drawing stays inside `area` until unclip().
  void clip(const Rect& area);
  void unclip();

  void fill_rect(const Rect& area, const Colour& colour);
  void stroke_rect(const Rect& area, double thickness, const Colour& colour);
  void fill_circle(Point centre, double radius, const Colour& colour);
  // Corners clockwise on the screen; the polygon must be convex.
  void fill_convex(std::span<const Point> corners, const Colour& colour);
  void marker(Marker shape, Point centre, double radius, const Colour& colour);
  void line(Point from, Point to, double thickness, const Colour& colour);
  // Round joins and ends. `dash` is the length of strokes and gaps, 0 for none.
  void polyline(std::span<const Point> points, double thickness, const Colour& colour,
                double dash = 0);
  // `anchor` is the point of the text that the style's alignments name. UTF-8.
  void text(Point anchor, std::string_view text, const TextStyle& style);
  // `rows` x `columns` grey values (0 black) stretched over `area` without smoothing.
  void grey_image(const Rect& area, std::span<const uint8_t> grey, int rows, int columns);
  // Copies `picture`, its top left corner at pixel (left, top).
  void paste(const Canvas& picture, int left, int top);

 private:
  struct Box {
    int left, top, right, bottom;
  };
  Box cover(double left, double top, double right, double bottom) const;
  void blend(int x, int y, const Colour& colour, double coverage);
  // Paints coverage(centre of pixel) over the pixels that touch the given bounds.
  template <class Coverage>
  void paint(double left, double top, double right, double bottom, const Colour& colour,
             Coverage coverage);

  int width_, height_;
  Box clip_;
  std::vector<uint8_t> rgb_;
};

}  // namespace espalier::bench
