// Several figures on one sheet.
#pragma once

#include <string>
#include <vector>

#include "bench/canvas.h"

namespace espalier::bench {

// Row by row; each column is as wide and each row as high as its largest figure.
struct Panels {
  std::string title = {};
  std::vector<Canvas> panels = {};
  int across = 2;
};
Canvas draw(const Panels& sheet);

}  // namespace espalier::bench
