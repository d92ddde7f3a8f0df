// How the packed panels of a product are dealt to threads while a plan runs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/parallel.h"

namespace espalier {

// How many of `panels` panels, each of `cost` multiply-adds, to hand to one of `threads` threads at
// a time. A thread alone takes them at once, and where threads can share them evenly and are soon
// done, so does each with its share: every piece fetches the left-hand side again. Otherwise halves
// of halves leave no thread with a last crumb, and an odd number of panels is split on only where
// each half is much work.
constexpr int64_t panels_a_piece(int64_t panels, int64_t cost, int64_t threads) noexcept {
  constexpr int64_t piece = 1 << 18;  // some 3 to 5 microseconds in fp32
  constexpr int64_t soon = 16 * piece;
  const int64_t share = panels / threads * cost;
  const bool even = panels % threads == 0 && share >= piece && share <= soon;
  if (threads == 1 || even) return panels / threads;
  int64_t each = panels;
  while (each > 1 && each / 2 * cost >= (each % 2 == 0 ? piece : 4 * piece)) each = (each + 1) / 2;
  return each;
}

// Calls f(first, last) for ranges of `panels` panels, of some `multiplies` multiply-adds in all.
// That no bit of a result depends on the ranges is the caller's promise.
template <class F>
void parallel_panels(int64_t panels, int64_t multiplies, F f) {
  if (panels == 0) return;
  parallel_for(panels, panels_a_piece(panels, multiplies / panels, threads_here()), f);
}

}  // namespace espalier
