#include "compress/mcnemar.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/error.h"

namespace espalier {
namespace {

// Twice the probability of at most `fewer` heads in n throws of a fair coin.
double two_sided(int64_t fewer, int64_t n) {
  const auto log_factorial = [](int64_t k) { return std::lgamma(static_cast<double>(k) + 1); };
  double sum = 0;
  for (int64_t k = 0; k <= fewer; ++k)
    sum += std::exp(log_factorial(n) - log_factorial(k) - log_factorial(n - k) -
                    static_cast<double>(n) * std::log(2.0));
  return std::min(1.0, 2 * sum);
}

}  // namespace

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
  test.p = two_sided(std::min(test.lost, test.won), test.lost + test.won);
  return test;
}

}  // namespace espalier
