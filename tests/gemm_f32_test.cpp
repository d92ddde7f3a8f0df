#include "tests/gemm_test.h"

namespace espalier::test::gemm_f32_tests {
namespace {

// K products and K sums and at most two additions before them, each rounded once.
GemmTable f32_table() {
  const auto as_it_is = [](float x) { return x; };
  return {gemm_kernels<float>(), as_it_is, as_it_is, [](int64_t K, double magnitude) {
            return static_cast<double>(K + 2) * epsilon * magnitude;
          }};
}

}  // namespace

TEST_CASE("gemm rows agree with the double reference for every shape up to 33") {
  check_every_small_shape(f32_table());
}

TEST_CASE("gemm rows agree with the double reference on the shapes of a transformer") {
  check_transformer_shapes(f32_table());
}

TEST_CASE("gemm SIMD rows are the chain of fused multiply-adds that the contract names") {
  for_each_row(gemm_kernels<float>(), [&](const auto& row) {
    for (const GemmShape& s : boundary_shapes())
      for_each_form([&](const Form& form) {
        INFO("M ", s.M, " K ", s.K, " N ", s.N);
        const Operands o(s, form);
        const auto C = multiply(row, o);
        f32_table().check_against_reference(C, o);
        if (row.isa != Isa::scalar) CHECK(differing_chains(o, C) == 0);
      });
  });
}

TEST_CASE("gemm rows touch nothing but their operands, at any alignment") {
  check_guard_pages(f32_table());
}

TEST_CASE("gemm rows leave the columns between N and the row stride alone") {
  check_row_stride(f32_table());
}

TEST_CASE("gemm rows give a range of rows, panels or K the bits of the whole") {
  check_ranges(f32_table());
}

TEST_CASE("gemm packing puts every column in its panel and zeros past the last") {
  for_each_row(gemm_kernels<float>(), [&](const auto& row) {
    for (int64_t K : {1, 3, 4, 9})
      for (int64_t N : {1, 8, 15, 16, 31, 32, 33, 67})
        for (bool transposed : {false, true}) {
          const Operands o({1, K, N}, {.b_transposed = transposed});
          const auto packed = pack(row, o, o.B.data());
          size_t i = 0;
          bool right = true;
          for (int64_t n0 = 0; n0 < N; n0 += row.panel)
            for (int64_t k = 0; k < K; ++k)
              for (int64_t n = n0; n < n0 + row.panel; ++n)
                right &= packed[i++] ==
                         (n < N ? o.B[static_cast<size_t>(k * o.b_k() + n * o.b_n())] : 0.0f);
          INFO("K ", K, " N ", N, " transposed ", transposed);
          CHECK(right);
        }
  });
}

TEST_CASE("gemm rows propagate special values, in tails too") { check_special_values(f32_table()); }

}  // namespace espalier::test::gemm_f32_tests
