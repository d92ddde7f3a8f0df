#include "kernels/grad_norm/grad_norm.h"

#include "tests/kernel_test.h"

namespace espalier::test {

TEST_CASE("sum of squares rows agree with the exact sum, and with one another bit for bit") {
  const auto rows = sum_of_squares_kernels<float>();
  for_each_row(rows, [&](const auto& row) {
    const auto check = [&](int64_t width, Guard guard, size_t offset) {
      Guarded<float> x(static_cast<size_t>(width), guard, offset);
      fill_normal(x, 9, 3.0);
      long double exact = 0;
      for (float v : x) exact += static_cast<long double>(v) * static_cast<long double>(v);
      const double sum = row.run(x.data(), width);
      // The squares are exact; a lane adds width / 16 of them and the tree adds four times.
      const double roundings = static_cast<double>(width / 16 + 5);
      CHECK(
          agrees(sum, static_cast<double>(exact),
                 roundings * std::numeric_limits<double>::epsilon() * static_cast<double>(exact)));
      CHECK(same_bits(sum, rows.back().run(x.data(), width)));
    };
    for_each_width(check);
    check(grad_norm_block, Guard::back, 0);
  });
}

TEST_CASE("sum of squares of doubles") {
  std::vector<double> x(100);
  fill_normal(x, 2);
  double sum = 0;
  for (double v : x) sum += v * v;
  CHECK(sum_of_squares_kernels<double>().back().run(x.data(), 100) ==
        doctest::Approx(sum).epsilon(1e-14));
}

TEST_CASE("sum of squares is finite exactly when every float is") {
  for_each_row(sum_of_squares_kernels<float>(), [](const auto& row) {
    for (float special : special_values()) {
      for (size_t at : {0, 15, 16, 36}) {
        std::vector<float> x(37, std::numeric_limits<float>::max());
        x[at] = special;
        INFO(special, " at ", at);
        CHECK(std::isfinite(row.run(x.data(), 37)) == std::isfinite(special));
      }
    }
    float tiny = std::numeric_limits<float>::denorm_min();
    CHECK(row.run(&tiny, 1) == 0x1p-298);
    CHECK(row.run(nullptr, 0) == 0.0);
  });
}

}  // namespace espalier::test
