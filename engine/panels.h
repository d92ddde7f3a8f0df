// How the packed panels of a product are dealt to threads while a plan runs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/parallel.h"

namespace espalier {

// Calls f(first, last) for ranges of `panels` panels, of some `multiplies` multiply-adds in all.
template <class F>
void parallel_panels(int64_t panels, int64_t multiplies, F f) {
  // Some 5 microseconds, where each microsecond of a step counts.
  constexpr int64_t piece = 1 << 19;
  const int64_t most = std::max<int64_t>(1, panels);
  const int64_t pieces = std::clamp<int64_t>(multiplies / piece, 1, most);
  parallel_for(panels, (panels + pieces - 1) / pieces, f);
}

}  // namespace espalier
