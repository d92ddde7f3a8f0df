#include <array>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "cl/stream/kinds.h"
#include "engine/error.h"

namespace espalier {
namespace {

// One of the four pixels around a place, and how much of it counts.
struct Tap {
  int64_t pixel = 0;
  double weight = 0;
};
using Taps = std::array<Tap, 4>;

Taps taps_around(double y, double x, int64_t height, int64_t width) {
  const double top = std::floor(y), left = std::floor(x);
  Taps taps;
  for (size_t i = 0; i < 4; ++i) {
    const double row = top + static_cast<double>(i / 2), column = left + static_cast<double>(i % 2);
    const bool outside = row < 0 || column < 0 || row >= static_cast<double>(height) ||
                         column >= static_cast<double>(width);
    if (outside) continue;
    taps[i] = {static_cast<int64_t>(row) * width + static_cast<int64_t>(column),
               (1 - std::abs(y - row)) * (1 - std::abs(x - column))};
  }
  return taps;
}

// Where each pixel of an image comes from that is turned about its middle, against the clock.
std::vector<Taps> rotation(double degrees, int64_t height, int64_t width) {
  const double angle = degrees * std::numbers::pi / 180, sine = std::sin(angle),
               cosine = std::cos(angle);
  const double middle_y = static_cast<double>(height - 1) / 2,
               middle_x = static_cast<double>(width - 1) / 2;
  std::vector<Taps> taps;
  for (int64_t i = 0; i < height * width; ++i) {
    const double y = static_cast<double>(i / width) - middle_y,
                 x = static_cast<double>(i % width) - middle_x;
    taps.push_back(taps_around(middle_y + x * sine + y * cosine, middle_x + x * cosine - y * sine,
                               height, width));
  }
  return taps;
}

std::string name_of(double degrees) {
  char name[64];
  std::snprintf(name, sizeof name, "rotated by %g", degrees);
  return name;
}

}  // namespace

Stream rotated_stream(const StreamOptions& options, const ImageDataset& train,
                      const ImageDataset& test) {
  if (!(options.turn >= 0 && options.turn <= 360))
    argument_error("make_stream", "turn", std::to_string(options.turn), "0 to 360 degrees", "");
  Stream stream = stream_of_domains("rotated", options, train, test);
  const int64_t channels = train.images.size(3);
  for (int64_t task = 1; task < options.tasks; ++task) {
    const double degrees =
        static_cast<double>(task) * options.turn / static_cast<double>(options.tasks);
    const std::vector<Taps> taps = rotation(degrees, train.images.size(1), train.images.size(2));
    add_domain(name_of(degrees), stream, [&](const uint8_t* from, uint8_t* to) {
      for (const Taps& around : taps)
        for (int64_t c = 0; c < channels; ++c) {
          double sum = 0.5;  // to the nearest
          for (const Tap& tap : around) sum += tap.weight * from[tap.pixel * channels + c];
          *to++ = static_cast<uint8_t>(sum);
        }
    });
  }
  return stream;
}

}  // namespace espalier
