// Random numbers beyond what kernels fill: single draws of a generator.
#include "engine/random.h"

#include <doctest/doctest.h>

#include <cmath>

namespace espalier::test {

TEST_CASE("beta draws have their mean and variance, and end for every alpha") {
  constexpr int draws = 1 << 14;
  for (const double alpha : {1e-13, 0.01, 0.4, 1.0, 1.001, 4.0, 100.0}) {
    INFO("alpha ", alpha);
    Generator generator(7);
    double mean = 0, variance = 0;  // about 1/2
    for (int i = 0; i < draws; ++i) {
      const double x = generator.beta(alpha);
      REQUIRE(x >= 0);
      REQUIRE(x <= 1);
      mean += x / draws;
      variance += (x - 0.5) * (x - 0.5) / draws;
    }
    // Of Beta(a, a); four deviations of either sum. Its kurtosis is 3 - 6 / (2 a + 3).
    const double expected = 1 / (4 * (2 * alpha + 1));
    CHECK(std::abs(mean - 0.5) <= 4 * std::sqrt(expected / draws));
    CHECK(std::abs(variance - expected) <=
          4 * expected * std::sqrt((2 - 6 / (2 * alpha + 3)) / draws));
    // Two words a pair, and half of the pairs at least are taken; four deviations of their number.
    const double pairs = static_cast<double>(generator.offset()) / 2;
    CHECK(pairs <= 2 * draws + 4 * std::sqrt(2.0 * draws));
  }
}

}  // namespace espalier::test
