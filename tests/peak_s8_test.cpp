#include "kernels/peak_s8/peak_s8.h"

#include "tests/kernel_test.h"

namespace espalier::test::peak_s8_tests {

// Half the operations are products, each of which adds the factor to a sum.
TEST_CASE("peak_s8 rows add each product that they count") {
  for_each_row(peak_s8_kernels(), [](const auto& row) {
    for (const float factor : {0.0f, 1.0f, 3.0f, 127.0f}) {
      float start = 0;
      CHECK(row.run(factor, 0, &start) == 0);
      for (int steps : {1, 2, 7}) {
        float sink = 0;
        const int64_t products = row.run(factor, steps, &sink) / 2;
        CHECK(products > 0);
        CHECK(sink - start == factor * static_cast<float>(products));
      }
    }
  });
}

}  // namespace espalier::test::peak_s8_tests
