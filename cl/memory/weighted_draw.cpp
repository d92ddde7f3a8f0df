#include "cl/memory/weighted_draw.h"

#include <numeric>

namespace espalier {

int64_t weighted_draw(const std::vector<double>& weights, Generator& generator) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (!(total > 0)) return generator.below(static_cast<int64_t>(weights.size()));
  double left = generator.uniform() * total;
  size_t last = 0;  // that may be drawn: rounding can leave a trace of `left` behind it
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] > 0)) continue;
    last = i;
    left -= weights[i];
    if (left < 0) break;
  }
  return static_cast<int64_t>(last);
}

}  // namespace espalier
