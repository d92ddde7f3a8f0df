#include "kernels/grad_norm/grad_norm.h"

#include "tests/kernel_test.h"

namespace espalier::test::grad_norm_tests {
namespace {

template <class T>
double sum_of(const KernelRow<SumsOfSquares<T>>& row, const T* x, int64_t count) {
  std::vector<double> sums(static_cast<size_t>(grad_norm_blocks(count)));
  row.run(x, count, sums.data());
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

}  // namespace

TEST_CASE("sum of squares rows agree with the exact sum, and with one another bit for bit") {
  const auto rows = sums_of_squares_kernels<float>();
  for_each_row(rows, [&](const auto& row) {
    const auto check = [&](int64_t width, Guard guard, size_t offset) {
      Guarded<float> x(static_cast<size_t>(width), guard, offset);
      fill_normal(x, 9, 3.0);
      long double exact = 0;
      for (float v : x) exact += static_cast<long double>(v) * static_cast<long double>(v);
      const double sum = sum_of(row, x.data(), width);
      // The squares are exact; a lane adds width / 16 of them and the tree adds four times, and two
      // blocks are added to the first.
      const double roundings = static_cast<double>(width / 16 + 7);
      CHECK(
          agrees(sum, static_cast<double>(exact),
                 roundings * std::numeric_limits<double>::epsilon() * static_cast<double>(exact)));
      CHECK(same_bits(sum, sum_of(rows.back(), x.data(), width)));
    };
    for_each_width(check);
    check(grad_norm_block, Guard::back, 0);
    check(2 * grad_norm_block + 5, Guard::back, 0);
  });
}

TEST_CASE("sum of squares of doubles") {
  std::vector<double> x(100);
  fill_normal(x, 2);
  double sum = 0;
  for (double v : x) sum += v * v;
  CHECK(sum_of(sums_of_squares_kernels<double>().back(), x.data(), 100) ==
        doctest::Approx(sum).epsilon(1e-14));
}

TEST_CASE("sum of squares is finite exactly when every float is") {
  for_each_row(sums_of_squares_kernels<float>(), [](const auto& row) {
    for (float special : special_values()) {
      for (size_t at : {0, 15, 16, 36}) {
        std::vector<float> x(37, std::numeric_limits<float>::max());
        x[at] = special;
        INFO(special, " at ", at);
        CHECK(std::isfinite(sum_of(row, x.data(), 37)) == std::isfinite(special));
      }
    }
    float tiny = std::numeric_limits<float>::denorm_min();
    CHECK(sum_of(row, &tiny, 1) == 0x1p-298);
    CHECK(sum_of<float>(row, nullptr, 0) == 0.0);
  });
}

TEST_CASE("fold sums rows add a segment's blocks in their order, and that to the total") {
  for_each_row(fold_sums_kernels(), [](const auto& row) {
    for (const size_t count : {0u, 1u, 31u, 32u, 33u, 100u}) {
      std::vector<double> sums(count);
      fill_normal(sums, 7);
      double total = 0.1, expected = 0;
      for (double& sum : sums) expected += sum *= sum;
      row.run(sums.data(), static_cast<int64_t>(count), &total);
      CHECK(same_bits(total, 0.1 + expected));
      if (count == 0) continue;
      sums.back() = std::nan("");
      row.run(sums.data(), static_cast<int64_t>(count), &total);
      CHECK(std::isnan(total));
    }
  });
}

TEST_CASE("clip norm rows: norm and scale are those of the loss, and of a step that may be") {
  for_each_row(clip_norm_kernels(), [](const auto& row) {
    const auto outcome_of = [&](NormLimits limits, double loss, double sum) {
      StepOutcome outcome = {loss, sum, 0, 0, 0};
      row.run(&limits, &outcome);
      CHECK(same_bits(outcome.loss, loss));
      CHECK(same_bits(outcome.sum_of_squares, sum));
      return outcome;
    };
    const StepOutcome clipped = outcome_of({2, 4}, 1, 400);  // of 4 times the loss: 20 there
    CHECK(clipped.norm == 5);
    CHECK(clipped.gradient_scale == 2 / (5 + 1e-6) / 4);
    const StepOutcome within = outcome_of({5.5, 4}, 1, 400);
    CHECK(within.norm == 5);
    CHECK(within.gradient_scale == 0.25);
    CHECK(within.unit_scale == 1);
    CHECK(outcome_of({5, 1}, 1, 25).gradient_scale < 1);  // just at the limit
    const double infinity = std::numeric_limits<double>::infinity();
    for (const double bad : {std::nan(""), infinity}) {
      CHECK(!is_step(outcome_of({2, 4}, 1, bad).gradient_scale));
      CHECK(same_bits(outcome_of({2, 4}, 1, infinity).norm, infinity));
      CHECK(!is_step(outcome_of({2, 4}, bad, 400).gradient_scale));
      CHECK(!is_step(outcome_of({2, 4}, bad, 400).unit_scale));
      CHECK(outcome_of({2, 4}, bad, 400).norm == 5);
    }
  });
}

}  // namespace espalier::test::grad_norm_tests
