// How the packed panels of a product are dealt to threads while a plan runs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/parallel.h"

namespace espalier {

// How many panels of `cost` multiply-adds to hand to a thread at a time. Halves leave no thread
// with a last crumb, so an odd number of panels is split on only where each half is much work.
constexpr int64_t panels_a_piece(int64_t panels, int64_t cost) noexcept {
  constexpr int64_t piece = 1 << 18;  // some 3 to 5 microseconds in fp32
  int64_t each = panels;
  while (each > 1 && each / 2 * cost >= (each % 2 == 0 ? piece : 4 * piece)) each = (each + 1) / 2;
  return each;
}

// Calls f(first, last) for ranges of `panels` panels, of some `multiplies` multiply-adds in all. A
// thread alone takes them at once, since each range fetches the left-hand side again: that no bit
// of a result depends on the ranges is the caller's promise.
template <class F>
void parallel_panels(int64_t panels, int64_t multiplies, F f) {
  if (panels == 0) return;
  const bool alone = threads_here() == 1;
  parallel_for(panels, alone ? panels : panels_a_piece(panels, multiplies / panels), f);
}

}  // namespace espalier
