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

}  // namespace espalier::test::grad_norm_tests
