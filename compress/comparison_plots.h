// Pictures of models side by side.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compress/benchmark_models.h"

namespace espalier {

// One PNG: size on disk, images a second at each batch size, accuracy with its 95 % interval, and
// size against speed at the largest batch, coloured by accuracy. Models that were not timed have no
// panels of speed. Argument errors: no models, or not the same batch sizes for all.
void plot_optimization_comparison(std::span<const ModelMetrics> models, const std::string& path);

// One choice among many.
struct ParetoPoint {
  std::string label = {};  // empty: drawn without a name
  double seconds = 0;      // what a batch takes
  double accuracy = 0;     // 0 to 1
  std::string kind = {};   // "preset", "rule", ...: marked so in the legend; empty: a candidate
};

// Indices, fastest first, of the points that no other one is both as fast and as accurate as; of
// points alike in both, the first.
std::vector<size_t> pareto_front(std::span<const ParetoPoint> points);

// One PNG: latency (log) against accuracy, the front joined by a line. Points so far below the best
// that the others would be pressed together are counted and left out. An argument error without
// points, and where one takes no time.
void plot_pareto(std::span<const ParetoPoint> points, const std::string& path,
                 const std::string& title = "What accuracy costs in time");

}  // namespace espalier
