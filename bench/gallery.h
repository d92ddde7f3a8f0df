// A grid of grey pictures with captions, such as what a classifier saw and what it said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/canvas.h"

namespace espalier::bench {

struct Picture {
  std::vector<uint8_t> grey = {};         // rows x columns, 0 black
  std::vector<std::string> caption = {};  // lines under the picture, cut with "…" to its width
  enum class Verdict {
    none,
    right,
    wrong
  } verdict = Verdict::none;  // colours frame and first line
};

struct Gallery {
  std::string title = {};
  int rows = 28, columns = 28;  // of every picture, in its own pixels
  std::vector<Picture> pictures = {};
  int across = 5;  // pictures in a line
  int width = 1200;
};
Canvas draw(const Gallery& gallery);

}  // namespace espalier::bench
