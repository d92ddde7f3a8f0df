#include "kernels/peak/peak.h"

#include <algorithm>

#include "tests/kernel_test.h"

namespace espalier::test::peak_tests {
namespace {

int64_t lanes_of(Isa isa) {
  return isa >= Isa::avx512 ? 16 : isa == Isa::avx2 ? 8 : isa >= Isa::neon ? 4 : 1;
}

// The chains start at 0, 1, 2 and so on, so that their sum tells how many there are.
float sum_of_starts(int64_t chains, int64_t lanes) {
  return static_cast<float>(lanes * chains * (chains - 1) / 2);
}

}  // namespace

// With factor 1 every step doubles the chains.
TEST_CASE("peak rows do the arithmetic that they count") {
  for_each_row(peak_f32_kernels(), [](const auto& row) {
    float start = 0;
    CHECK(row.run(1.0f, 0, &start) == 0);
    const int64_t a_step = row.run(1.0f, 1, &start) / 2;
    row.run(1.0f, 0, &start);
    CHECK(start == sum_of_starts(a_step / lanes_of(row.isa), lanes_of(row.isa)));
    for (int steps : {1, 2, 7, 100}) {
      float sink = 0;
      CHECK(row.run(1.0f, steps, &sink) == 2 * a_step * steps);
      CHECK(sink == std::ldexp(start, steps));
    }
  });
}

TEST_CASE("peak rows of bf16 add each product that they count, or are those of fp32") {
  for_each_row(peak_bf16_kernels(), [](const auto& row) {
    if (row.isa < Isa::avx512bf16) {
      const auto rows = peak_f32_kernels();
      CHECK(std::count_if(rows.begin(), rows.end(), [&](const auto& fp32) {
              return fp32.isa == row.isa && fp32.run == row.run;
            }) == 1);
      return;
    }
    float start = 0, sink = 0;
    CHECK(row.run(3.0f, 0, &start) == 0);
    for (int steps : {1, 2, 7, 100}) {
      const int64_t operations = row.run(3.0f, steps, &sink);
      CHECK(sink - start == static_cast<float>(3 * operations / 2));
    }
  });
}

}  // namespace espalier::test::peak_tests
