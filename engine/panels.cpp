#include "engine/panels.h"

namespace espalier {

void parallel_panels(int64_t panels, int64_t multiplies, RangeFunction f) {
  if (panels == 0) return;
  parallel_for(panels, panels_a_piece(panels, multiplies / panels, threads_here()), f);
}

void parallel_product(int64_t M, int64_t panels, int64_t multiplies, RangeFunction of_rows,
                      RangeFunction of_panels) {
  const int64_t each = rows_a_piece(M, multiplies, threads_here());
  if (each < M) return parallel_for(M, each, of_rows);
  parallel_panels(panels, multiplies, of_panels);
}

void parallel_rows(int64_t rows, int64_t cost, RangeFunction f) {
  constexpr int64_t least = 2048;  // elements, which take about what handing them over does
  const int64_t threads = threads_here(), each = (rows + threads - 1) / threads;
  const int64_t grain = grain_for(cost);
  const bool even = threads > 1 && each <= 4 * grain && each * cost >= least;
  parallel_for(rows, even ? each : grain, f);
}

}  // namespace espalier
