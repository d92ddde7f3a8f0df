#include "bench/cases/case.h"

#include <random>

namespace espalier::bench {

Floats normal(int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> distribution;
  Floats out(static_cast<size_t>(count));
  for (float& value : out) value = distribution(engine);
  return out;
}

}  // namespace espalier::bench
