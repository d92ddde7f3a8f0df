#include "bench/plot.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "bench/colour_scale.h"
#include "bench/font.h"
#include "bench/frame.h"
#include "bench/gallery.h"
#include "bench/labels.h"
#include "bench/panels.h"
#include "bench/png.h"
#include "engine/error.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#include <stb/stb_image.h>

namespace espalier::bench {
namespace {

std::vector<std::string> labels(const std::vector<Tick>& ticks) {
  std::vector<std::string> out;
  for (const Tick& tick : ticks)
    if (!tick.label.empty()) out.push_back(tick.label);
  return out;
}

using Labels = std::vector<std::string>;

bool same_colour(const Colour& a, const Colour& b) {
  return a.red == b.red && a.green == b.green && a.blue == b.blue;
}

// How many pixels of the canvas are not white.
int painted(const Canvas& canvas) {
  int count = 0;
  for (int y = 0; y < canvas.height(); ++y)
    for (int x = 0; x < canvas.width(); ++x) count += !same_colour(canvas.pixel(x, y), white);
  return count;
}

// The ink that the canvas holds, in whole black pixels.
double ink_sum(const Canvas& canvas) {
  double sum = 0;
  for (uint8_t value : canvas.rgb()) sum += (255 - value) / 255.0 / 3;
  return sum;
}

struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("espalier_plot_" + std::to_string(getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("ticks are round numbers inside the interval") {
  CHECK(labels(ticks({0, 1}, 5, {})) == Labels{"0", "0.2", "0.4", "0.6", "0.8", "1.0"});
  CHECK(labels(ticks({-3, 7}, 5, {})) == Labels{"−2", "0", "2", "4", "6"});
  CHECK(labels(ticks({0, 2000}, 4, {})) == Labels{"0", "500", "1,000", "1,500", "2,000"});
  CHECK(labels(ticks({0, 60000}, 3, {})) == Labels{"0", "20k", "40k", "60k"});
  CHECK(labels(ticks({1, 4}, 9, {.whole = true})) == Labels{"1", "2", "3", "4"});
  CHECK(labels(ticks({0.9, 0.91}, 2, {})) == Labels{"0.900", "0.905", "0.910"});
  CHECK(labels(ticks({0, 4e-6}, 2, {})) == Labels{"0", "2×10⁻⁶", "4×10⁻⁶"});
}

TEST_CASE("ticks of a logarithmic axis are decades, then 1 2 5, then linear") {
  CHECK(labels(ticks({1e-3, 1e3}, 6, {.log = true})) ==
        Labels{"0.001", "0.01", "0.1", "1", "10", "100", "1,000"});
  CHECK(labels(ticks({1, 100}, 6, {.log = true})) ==
        Labels{"1", "2", "5", "10", "20", "50", "100"});
  CHECK(labels(ticks({31, 39}, 4, {.log = true})) == Labels{"32", "34", "36", "38"});
  CHECK(labels(ticks({1e-6, 1e-4}, 3, {.log = true})) == Labels{"10⁻⁶", "10⁻⁵", "0.0001"});
  CHECK(labels(ticks({1, 1e12}, 4, {.log = true})).size() <= 5);
}

TEST_CASE("limits are widened to round numbers and never empty") {
  const auto limits = [](Axis axis, Interval data) { return nice_limits(axis, data, 5); };
  CHECK(limits({}, {0.13, 0.97}).low == 0);
  CHECK(limits({}, {0.13, 0.97}).high == doctest::Approx(1));
  CHECK(limits({.low = 0.5}, {0.13, 0.97}).low == 0.5);
  const Interval one = limits({}, {3, 3});
  CHECK(one.low < 3);
  CHECK(one.high > 3);
  const Interval zero = limits({}, {0, 0});
  CHECK(zero.low < zero.high);
  const Interval log = limits({.log = true}, {3, 700});
  CHECK(log.low == doctest::Approx(2));
  CHECK(log.high == doctest::Approx(1000));
}

TEST_CASE("scales map their interval onto pixels") {
  const Scale linear({10, 20}, 100, 300, false), log({1, 1000}, 400, 100, true);
  CHECK(linear(10) == doctest::Approx(100));
  CHECK(linear(15) == doctest::Approx(200));
  CHECK(linear(20) == doctest::Approx(300));
  CHECK(log(1) == doctest::Approx(400));
  CHECK(log(10) == doctest::Approx(300));
  CHECK(log(1000) == doctest::Approx(100));
}

TEST_CASE("numbers are grouped by thousands") {
  CHECK(fixed(1234567, 0) == "1,234,567");
  CHECK(fixed(999.5, 1) == "999.5");
  CHECK(fixed(-1234.5, 2) == "−1,234.50");
  CHECK(fixed(-0.001, 1) == "0.0");
}

TEST_CASE("shapes cover their area") {
  const auto area = [](auto draw_shape) {
    Canvas canvas(100, 100);
    draw_shape(canvas);
    return ink_sum(canvas);
  };
  const double rounding = 100 * 100 * 0.5 / 255;  // half a step of 255 a pixel, at most
  CHECK(area([](Canvas& c) {
          c.fill_rect({10.25, 10.5, 30.5, 20}, black);
        }) == doctest::Approx(610).epsilon(0.002));
  CHECK(std::abs(area([](Canvas& c) {
                   c.fill_circle({50, 50}, 30, black);
                 }) -
                 M_PI * 900) < rounding);
  CHECK(area([](Canvas& c) {
          c.line({10, 50}, {90, 50}, 4, black);
        }) == doctest::Approx(320 + 4 * M_PI).epsilon(0.02));
  CHECK(area([](Canvas& c) {
          const Point corners[] = {{10, 10}, {90, 10}, {90, 90}};
          c.fill_convex(corners, black);
        }) == doctest::Approx(3200).epsilon(0.02));
}

TEST_CASE("a dashed line is half as dark, and clips and edges cut") {
  Canvas whole(200, 20), dashed(200, 20), clipped(200, 20);
  const Point ends[] = {{-50, 10}, {250, 10}};
  whole.polyline(ends, 2, black);
  dashed.polyline(ends, 2, black, 10);
  clipped.clip({50, 0, 20, 20});
  clipped.polyline(ends, 2, black);
  CHECK(ink_sum(whole) == doctest::Approx(400).epsilon(0.01));
  CHECK(ink_sum(dashed) == doctest::Approx(230).epsilon(0.15));  // round ends add to the half
  CHECK(ink_sum(clipped) == doctest::Approx(40).epsilon(0.01));
}

TEST_CASE("text is measured, aligned and turned") {
  CHECK(text_width("", 20) == 0);
  CHECK(text_width("MM", 40) == doctest::Approx(4 * text_width("M", 20)));
  Canvas level(300, 300), turned(300, 300), broken(300, 300);
  level.text({150, 150}, "Hgfé", {.size = 40, .horizontal = Horizontal::centre});
  turned.text({150, 150}, "Hgfé", {.size = 40, .horizontal = Horizontal::centre, .degrees = 90});
  CHECK(painted(level) > 200);
  CHECK(ink_sum(turned) == doctest::Approx(ink_sum(level)).epsilon(0.03));
  broken.text({10, 150}, "\xff\xc3\xe2\x82", {.size = 40});  // malformed: replaced, not read past
  CHECK(painted(broken) > 0);
}

TEST_CASE("a picture comes back from its PNG, bit for bit") {
  const Canvas canvas = draw(Chart{.title = "A title",
                                   .x = {.label = "x"},
                                   .y = {.label = "y"},
                                   .series = {{"a", {1, 2, 3}, {3, 1, 2}}},
                                   .width = 300,
                                   .height = 200});
  const Folder folder;
  const std::string path = folder.path / "chart.png";
  save_png(canvas, path);
  save_png(canvas, path);  // over an old file
  std::ifstream stream(path, std::ios::binary);
  const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(stream), {}};
  CHECK(bytes == encode_png(canvas));
  int width = 0, height = 0, channels = 0;
  uint8_t* pixels = stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width,
                                          &height, &channels, 3);
  REQUIRE(pixels != nullptr);
  CHECK(width == 300);
  CHECK(height == 200);
  const auto drawn = canvas.rgb();
  CHECK(std::equal(drawn.begin(), drawn.end(), pixels));
  stbi_image_free(pixels);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("a picture that cannot be saved is a file error") {
  CHECK_THROWS_AS(save_png(Canvas(2, 2), "/nowhere/at/all.png"), Error);
}

TEST_CASE("figures bear empty, constant and unusual data") {
  const double nan = NAN;
  CHECK(painted(draw(Chart{})) > 0);
  CHECK(painted(draw(Chart{.y = {.log = true}, .series = {{"", {1, 2, 3, 4}, {0, -1, nan, 5}}}})) >
        0);
  BarChart bars;
  bars.categories = {"a", "b"};
  bars.series = {{"", {nan, -2}}};
  CHECK(painted(draw(bars)) > 0);
  CHECK(painted(draw(
            HeatMap{.rows = {"a"}, .columns = {"b"}, .values = {0}, .normalise_rows = true})) > 0);
  CHECK(painted(draw(Gallery{.title = "none"})) > 0);
}

TEST_CASE("figures refuse data whose lengths disagree") {
  CHECK_THROWS_AS(draw(Chart{.series = {{"a", {1, 2}, {1}}}}), Error);
  BarChart bars;
  bars.categories = {"a"};
  bars.series = {{"s", {1, 2}}};
  CHECK_THROWS_AS(draw(bars), Error);
  CHECK_THROWS_AS(draw(HeatMap{.rows = {"a"}, .columns = {"b"}, .values = {}}), Error);
  CHECK_THROWS_AS(draw(Gallery{.pictures = {{.grey = {1, 2}}}}), Error);
}

TEST_CASE("names of points that lie together do not cover each other") {
  LabelPlaces places({0, 0, 600, 400});
  places.avoid_mark({300, 200}, 6);
  std::vector<Rect> taken;
  for (int i = 0; i < 30; ++i) taken.push_back(places.place({300, 200}, 6, 90, 16));
  for (size_t i = 0; i < taken.size(); ++i) {
    CHECK(!overlap(taken[i], {294, 194, 12, 12}));
    CHECK(taken[i].x >= 0);
    CHECK(taken[i].right() <= 600);
    for (size_t j = 0; j < i; ++j) CHECK(!overlap(taken[i], taken[j]));
  }
  CHECK(taken[0].x > 306);  // to the right, while that is free
  for (const Point corner : {Point{595, 5}, Point{5, 395}}) {
    const Rect box = places.place(corner, 6, 90, 16);
    CHECK(box.x >= 0);
    CHECK(box.y >= 0);
    CHECK(box.right() <= 600);
    CHECK(box.bottom() <= 400);
  }
}

TEST_CASE("names keep clear of lines where they can") {
  LabelPlaces places({0, 0, 600, 400});
  places.avoid_line({300, 200}, {600, 200}, 2);
  const Rect placed = places.place({300, 200}, 6, 90, 16);
  CHECK(!overlap(placed, {300, 199, 300, 2}));
}

TEST_CASE("long names are cut at their end or inside, between characters") {
  const double width = text_width("Gewächshäuser", 16);
  CHECK(shortened("Gewächshäuser", 16, width) == "Gewächshäuser");
  CHECK(shortened_inside("Gewächshäuser", 16, width) == "Gewächshäuser");
  for (double part = 0; part < width; part += 3) {
    const std::string tail = shortened("Gewächshäuser", 16, part);
    const std::string inside = shortened_inside("Gewächshäuser", 16, part);
    CHECK(tail.ends_with("…"));
    CHECK(inside.find("…") != inside.npos);
    if (part > text_width("…", 16)) CHECK(text_width(inside, 16) <= part);
    if (part > text_width("…", 16)) CHECK(text_width(tail, 16) <= part);
  }
  CHECK(shortened_inside("int8, recovered 3", 16, text_width("int8…ered 3", 16)).ends_with("3"));
}

TEST_CASE("panels stand in rows and columns, each as large as its largest figure") {
  Canvas small(40, 30, black), large(60, 50, black);
  const Canvas sheet = draw(Panels{.panels = {small, large, small}});
  CHECK(sheet.width() == 100);
  CHECK(sheet.height() == 80);
  CHECK(ink_sum(sheet) == doctest::Approx(2 * 40 * 30 + 60 * 50));
  CHECK(same_colour(sheet.pixel(39, 29), black));
  CHECK(same_colour(sheet.pixel(40, 0), black));
  CHECK(same_colour(sheet.pixel(39, 30), white));
  CHECK(same_colour(sheet.pixel(0, 50), black));
  CHECK(draw(Panels{.title = "t", .panels = {small}, .across = 1}).height() > 30);
  CHECK(draw(Panels{}).width() > 0);
}

TEST_CASE("points are shaded by their values, with a bar that explains them") {
  Chart chart{.shade = {.label = "accuracy (%)"}, .width = 500, .height = 400};
  chart.series = {{.name = "", .x = {1, 2}, .y = {1, 2}, .line = false, .points = true}};
  const auto count = [](const Canvas& canvas, const Colour& colour) {
    int found = 0;
    for (int y = 0; y < canvas.height(); ++y)
      for (int x = 0; x < canvas.width(); ++x) found += same_colour(canvas.pixel(x, y), colour);
    return found;
  };
  CHECK(count(draw(chart), shade(1)) == 0);
  chart.series[0].shades = {80, 90};
  CHECK(count(draw(chart), shade(1)) > 50);
  chart.series[0].shades = {80};
  CHECK_THROWS_AS(draw(chart), Error);
}

TEST_CASE("marks stand on an axis that starts where they do") {
  BarChart chart;
  chart.categories = {"a", "b"};
  chart.series = {{"", {93.86, 93.84}, {93.4, 93.3}, {94.3, 94.3}}};
  chart.width = 500, chart.height = 400;
  const auto blue = [](const Canvas& canvas) {
    int found = 0;
    for (int y = 0; y < canvas.height(); ++y)
      for (int x = 0; x < canvas.width(); ++x)
        found += same_colour(canvas.pixel(x, y), series_colour(0));
    return found;
  };
  const int as_bars = blue(draw(chart));
  chart.marks = true;
  const int as_marks = blue(draw(chart));
  CHECK(as_marks > 2 * 100);
  CHECK(as_marks < 2 * 200);  // circles of radius 7
  CHECK(as_bars > 10 * as_marks);
  chart.series = {{"", {93.4, 94.3}}};
  const Canvas zoomed = draw(chart);
  const auto height_at = [&](int from, int to) {
    for (int y = 0; y < zoomed.height(); ++y)
      for (int x = from; x < to; ++x)
        if (same_colour(zoomed.pixel(x, y), series_colour(0))) return y;
    return -1;
  };
  CHECK(height_at(0, 290) - height_at(290, 500) > 100);
}

TEST_CASE("slot labels turn when they are wider than their slot") {
  CHECK(!SlotLabels({"ab", "cd"}, 100).turned);
  CHECK(SlotLabels({"ab", "Ankle boot with laces"}, 100).turned);
}

}  // namespace espalier::bench
