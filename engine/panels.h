// How the rows or the packed panels of a product are dealt to threads while a plan runs. Unlike
// parallel_for's pieces the ranges depend on the number of threads: that no bit of a result depends
// on them is the caller's promise.
#pragma once

#include <cstdint>

#include "engine/parallel.h"

namespace espalier {

// Multiply-adds that make a piece: some 3 to 5 microseconds in fp32.
constexpr int64_t product_piece = 1 << 18;

// How many of M rows of a product of `multiplies` multiply-adds each of `threads` threads takes,
// where that fills a register tile and is worth a piece; else M. What a thread writes of its rows
// it reads in the next step, which deals them alike, from the caches of its own core; of panels,
// whose columns the next step sums over, it reads the others' too.
constexpr int64_t rows_a_piece(int64_t M, int64_t multiplies, int64_t threads) noexcept {
  constexpr int64_t tile = 12;
  const int64_t each = (M + threads - 1) / threads;
  return each >= tile && multiplies / threads >= product_piece ? each : M;
}

// How many of `panels` panels, each of `cost` multiply-adds, to hand to one of `threads` threads at
// a time. A thread alone takes them at once, and where threads can share them evenly and are soon
// done, so does each with its share: every piece fetches the left-hand side again. Otherwise halves
// of halves leave no thread with a last crumb, and an odd number of panels is split on only where
// each half is much work.
constexpr int64_t panels_a_piece(int64_t panels, int64_t cost, int64_t threads) noexcept {
  constexpr int64_t soon = 16 * product_piece;
  const int64_t share = panels / threads * cost;
  const bool even = panels % threads == 0 && share >= product_piece && share <= soon;
  if (threads == 1 || even) return panels / threads;
  int64_t each = panels;
  while (each > 1 && each / 2 * cost >= (each % 2 == 0 ? product_piece : 4 * product_piece))
    each = (each + 1) / 2;
  return each;
}

// Calls f(first, last) for ranges of `panels` panels, of some `multiplies` multiply-adds in all.
void parallel_panels(int64_t panels, int64_t multiplies, RangeFunction f);

// Calls of_rows(first, last) for ranges of a product's M rows, or of_panels(first, last) for ranges
// of its panels where the rows are too few for the threads.
void parallel_product(int64_t M, int64_t panels, int64_t multiplies, RangeFunction of_rows,
                      RangeFunction of_panels);

// Calls f(first, last) for ranges of rows that take the time of `cost` elements each: a range a
// thread where they are not many, so that each has the rows that it has of the products before and
// after.
void parallel_rows(int64_t rows, int64_t cost, RangeFunction f);

}  // namespace espalier
