#include "compress/mcnemar.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "tests/refusal.h"

namespace espalier::test {
namespace {

// `lost` samples that the first alone has right, `won` that the second alone has, and ten of each
// that both have right or wrong.
PairedTest split(int lost, int won) {
  std::vector<uint8_t> first, second;
  const auto add = [&](int count, uint8_t a, uint8_t b) {
    first.insert(first.end(), static_cast<size_t>(count), a);
    second.insert(second.end(), static_cast<size_t>(count), b);
  };
  add(lost, 1, 0), add(won, 0, 1), add(10, 1, 1), add(10, 0, 0);
  return mcnemar(first, second);
}

}  // namespace

TEST_CASE("McNemar's test gives the exact probabilities of a fair coin") {
  CHECK(split(0, 0).p == 1);
  CHECK(split(3, 3).p == 1);
  CHECK(split(5, 0).p == doctest::Approx(2.0 / 32));               // 2 (1) / 2^5
  CHECK(split(1, 9).p == doctest::Approx(2.0 * (1 + 10) / 1024));  // 2 (C0 + C1) / 2^10
  CHECK(split(9, 1).p == doctest::Approx(split(1, 9).p));
  CHECK(split(2, 8).p == doctest::Approx(2.0 * (1 + 10 + 45) / 1024));
  CHECK(!split(2, 8).significant());
  CHECK(split(1, 9).significant());
  // As many throws as large test sets give: the normal approximation with its correction is close.
  const double z = (std::abs(300 - 360) - 1) / std::sqrt(660.0);
  CHECK(split(300, 360).p == doctest::Approx(std::erfc(z / std::sqrt(2.0))).epsilon(0.02));
  CHECK(split(0, 5000).p >= 0);
}

TEST_CASE("a paired difference is that of the accuracies, with an interval of its own") {
  const PairedTest test = split(6, 14);
  CHECK(test.lost == 6);
  CHECK(test.won == 14);
  CHECK(test.samples == 40);
  CHECK(test.difference() == doctest::Approx(8.0 / 40));
  CHECK(test.half_interval() == doctest::Approx(1.96 * std::sqrt((0.5 - 0.04) / 40)));
  CHECK(mcnemar({}, {}).half_interval() == 0);
}

TEST_CASE("models that saw unlike numbers of images are refused") {
  const std::vector<uint8_t> three(3), four(4);
  CHECK(contains(refusal_of([&] { mcnemar(three, four); }), "4 samples"));
}

}  // namespace espalier::test
