#include "compress/mcnemar.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/error.h"
#include "nn/binomial.h"

namespace espalier {

double PairedTest::difference() const {
  return samples ? static_cast<double>(won - lost) / static_cast<double>(samples) : 0;
}

double PairedTest::half_interval() const {
  if (samples == 0) return 0;
  const double n = static_cast<double>(samples), apart = static_cast<double>(won + lost) / n;
  return 1.96 * std::sqrt(std::max(0.0, apart - difference() * difference()) / n);
}

PairedTest mcnemar(std::span<const uint8_t> first, std::span<const uint8_t> second) {
  if (first.size() != second.size())
    argument_error("mcnemar", "second", std::to_string(second.size()) + " samples",
                   std::to_string(first.size()), "give both models the same images");
  PairedTest test;
  test.samples = static_cast<int64_t>(first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    test.lost += first[i] && !second[i];
    test.won += !first[i] && second[i];
  }
  // Both tails of a fair coin.
  test.p = std::min(
      1.0, 2 * binomial_at_least(std::max(test.lost, test.won), test.lost + test.won, 0.5));
  return test;
}

}  // namespace espalier
