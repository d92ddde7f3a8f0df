// Images of classes that were not learned yet: who is counted, what chance is, and the exact tests.
#include "cl/zero_shot.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "nn/binomial.h"
#include "tests/refusal.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// The logarithms of the factorials are good to some roundings of n log n.
bool near(double got, double expected, double trials) {
  const double bound =
      8 * std::numeric_limits<double>::epsilon() * (1 + trials * std::log(trials + 1));
  return std::abs(got - expected) <= bound * expected;
}

ImageDataset labelled(const std::vector<int64_t>& labels) {
  const auto count = static_cast<int64_t>(labels.size());
  return {Tensor::zeros({count, 1, 1, 1}, DType::u8),
          Tensor::of(labels, {count}),
          {"a", "b", "c", "d"}};
}

// Class a is learned first; then b, c and d are.
Stream two_tasks() {
  return {"split",
          false,
          {{"a", {0}, labelled({0, 0}), labelled({0, 0})},
           {"b + c + d", {1, 2, 3}, labelled({1, 2, 3}), labelled({1, 1, 1, 2, 2, 3})}}};
}

// Scores that name these classes, with `a` the loudest of all before.
Tensor naming(const std::vector<int64_t>& classes) {
  const Tensor scores = Tensor::zeros({static_cast<int64_t>(classes.size()), 4});
  for (size_t i = 0; i < classes.size(); ++i) {
    float* row = scores.data<float>() + i * 4;
    row[classes[i]] = 1;
    row[0] = 2;
  }
  return scores;
}

}  // namespace

TEST_CASE("the binomial tail has the exact probabilities") {
  CHECK(near(binomial_at_least(8, 10, 0.5), 56.0 / 1024, 10));
  CHECK(near(binomial_at_least(3, 4, 0.25), 13.0 / 256, 4));
  CHECK(near(binomial_at_least(1, 3, 1.0 / 6), 1 - 125.0 / 216, 3));
  // Of 100 throws of a fair coin 60 heads or more, from the sum of the 41 whole numbers.
  CHECK(near(binomial_at_least(60, 100, 0.5), 0.028443966820490395, 100));
  CHECK(near(binomial_at_least(4000, 4000, 0.9), std::exp(4000 * std::log(0.9)), 4000));
  CHECK(binomial_at_least(0, 10, 0.3) == 1);
  CHECK(binomial_at_least(0, 0, 0.3) == 1);
  CHECK(binomial_at_least(11, 10, 0.3) == 0);
  CHECK(binomial_at_least(1, 10, 0) == 0);
  CHECK(binomial_at_least(10, 10, 1) == 1);
  CHECK(binomial_at_least(5000, 5000, 0.1) == 0);  // below the smallest double
  CHECK(binomial_at_least(1, 5000, 0.5) == 1);
  CHECK(contains(refusal_of([] { binomial_at_least(1, -1, 0.5); }), "trials is -1"));
  CHECK(contains(refusal_of([] { binomial_at_least(1, 2, 1.5); }), "chance is 1.5"));
}

TEST_CASE("images of classes without a training image so far are named among those alone") {
  const Stream stream = two_tasks();
  const std::vector<Tensor> scores = {naming({0, 0}), naming({1, 1, 2, 2, 3, 1})};
  const ZeroShot before = zero_shot(stream, 0, scores);
  CHECK(before.classes == 4);
  CHECK(before.images == 8);
  CHECK(before.right == 2);  // among all, a wins
  const ZeroShot after = zero_shot(stream, 1, scores);
  CHECK(after.classes == 3);
  CHECK(after.images == 6);
  CHECK(after.right == 3);  // b, b and c
  CHECK(after.accuracy() == 0.5);
  CHECK(after.chance() == 0.5);          // three of the six are b
  CHECK(near(after.p(), 42.0 / 64, 6));  // 20 + 15 + 6 + 1 of 2^6
  const ZeroShot none = zero_shot(stream, 2, scores);
  CHECK(none.classes == 0);
  CHECK(none.accuracy() == 0);
  CHECK(none.p() == 1);
  CHECK(none.dealt() == 1);
}

TEST_CASE("all ways to deal the names are counted, and those as good as the texts'") {
  // Of b two are named b and one c; of c one c and one d; of d one b. By the dealings
  // bcd 3, bdc 3, cbd 1, cdb 3, dbc 0, dcb 2.
  const ZeroShot z = zero_shot(two_tasks(), 1, {naming({0, 0}), naming({1, 1, 2, 2, 3, 1})});
  CHECK(z.dealings == 6);
  CHECK(z.as_good == 3);
  CHECK(z.dealt() == 0.5);
}

TEST_CASE("a zero-shot result goes through JSON, and damage is told") {
  const ZeroShot z{3, 6, 4, 3, 6, 1};
  const ZeroShot back = zero_shot_from_json(to_json(z), "text");
  CHECK(to_json(back) == to_json(z));
  CHECK(back.right == 4);
  CHECK(back.as_good == 1);
  CHECK(contains(refusal_of([] { zero_shot_from_json("{}", "there"); }, ErrorKind::file),
                 "there: damaged zero-shot result"));
}
