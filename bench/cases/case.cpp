#include "bench/cases/case.h"

#include <random>

#include "engine/parallel.h"

namespace espalier::bench {

int64_t row_grain(int64_t M, int64_t K, int64_t N) {
  constexpr int64_t tile = 24, flops_an_element = 16;  // of the work that grain_for() counts
  const int64_t rows = std::max(tile, grain_for(2 * K * N / flops_an_element) / tile * tile);
  const int64_t pieces = std::max<int64_t>(1, M / rows);
  return (M + pieces - 1) / pieces;
}

Floats normal(int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> distribution;
  Floats out(static_cast<size_t>(count));
  for (float& value : out) value = distribution(engine);
  return out;
}

template <class T>
Values<T> whole_numbers(int64_t count, unsigned seed, float deviation) {
  constexpr auto low = static_cast<float>(std::numeric_limits<T>::min());
  constexpr auto high = static_cast<float>(std::numeric_limits<T>::max());
  Values<T> out;
  for (float value : normal(count, seed))
    out.push_back(static_cast<T>(std::clamp(deviation * value, low, high)));
  return out;
}

template Values<int8_t> whole_numbers(int64_t, unsigned, float);
template Values<int16_t> whole_numbers(int64_t, unsigned, float);

}  // namespace espalier::bench
