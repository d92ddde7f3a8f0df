#include "kernels/peak/peak.h"

#include "tests/kernel_test.h"

namespace espalier::test {

// With factor 1 every step doubles the chains. They start at 0, 1, 2 and so on, so that their first
// sum tells how many there are.
TEST_CASE("peak rows do the arithmetic that they count") {
  for_each_row(peak_kernels(), [](const auto& row) {
    float start = 0;
    CHECK(row.run(1.0f, 0, &start) == 0);
    const int64_t lanes = lanes_of(row.isa), a_step = row.run(1.0f, 1, &start) / 2;
    row.run(1.0f, 0, &start);
    CHECK(static_cast<int64_t>(start) == a_step * (a_step / lanes - 1) / 2);
    for (int steps : {1, 2, 7, 100}) {
      float sink = 0;
      CHECK(row.run(1.0f, steps, &sink) == 2 * a_step * steps);
      CHECK(sink == std::ldexp(start, steps));
    }
  });
}

}  // namespace espalier::test
