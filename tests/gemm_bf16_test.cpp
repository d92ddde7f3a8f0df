#include "kernels/gemm_bf16/gemm_bf16.h"

#include <algorithm>

#include "kernels/cast/cast.h"
#include "tests/gemm_test.h"

namespace espalier::test::gemm_bf16_tests {
namespace {

float bf16(float x) { return cast_detail::to_float(cast_detail::to_bfloat16(x)); }

// Products of rounded operands are exact: K sums and at most two additions before them, each
// rounded once. Where denormals count as zero, each sum loses another 2^-126 at most, and each
// product 2^-126 times its other operand, here below 2^4.
GemmTable bf16_table() {
  return {gemm_bf16_kernels(), bf16, bf16, [](int64_t K, double magnitude) {
            return static_cast<double>(K + 2) * (epsilon * magnitude + 17 * 0x1p-126);
          }};
}

bool widens(const GemmKernel<float>& row) { return row.k_group == 1; }

}  // namespace

TEST_CASE("gemm_bf16 rows agree with the double reference for every shape up to 33") {
  check_every_small_shape(bf16_table());
}

TEST_CASE("gemm_bf16 rows agree with the double reference on the shapes of a transformer") {
  check_transformer_shapes(bf16_table());
}

TEST_CASE("gemm_bf16 SIMD rows that widen are chains of fused multiply-adds") {
  for_each_row(gemm_bf16_kernels(), [&](const auto& row) {
    if (row.isa == Isa::scalar || !widens(row)) return;
    for (const GemmShape& s : boundary_shapes())
      for_each_form([&](const Form& form) {
        INFO("M ", s.M, " K ", s.K, " N ", s.N);
        const Operands o(s, form);
        const auto& f32_row =
            *std::find_if(gemm_kernels<float>().begin(), gemm_kernels<float>().end(),
                          [&](const auto& other) { return other.isa == row.isa; });
        const auto C = multiply(row, o), expected = multiply(f32_row, bf16_table().taken(o));
        CHECK(std::equal(C.begin(), C.end(), expected.begin(), same_bits<float>));
      });
  });
}

TEST_CASE("gemm_bf16 rows agree in every form, and take any strides of A") {
  for_each_row(gemm_bf16_kernels(), [&](const auto& row) {
    for (const GemmShape& s : boundary_shapes()) {
      for_each_form([&](const Form& form) {
        INFO("M ", s.M, " K ", s.K, " N ", s.N);
        const Operands o(s, form);
        bf16_table().check_against_reference(multiply(row, o), o);
      });
      // Neither rows nor k one after the other: every third value of a matrix three times as wide.
      const Operands o(s, {});
      std::vector<float> spread(3 * o.A.size(), 1e9f);
      for (size_t i = 0; i < o.A.size(); ++i) spread[3 * i] = o.A[i];
      std::vector<float> C(o.C.size());
      const auto packed = pack(row, o, o.B.data());
      auto g = gemm_of(o, spread.data(), packed.data(), C.data(), o.bias.data());
      g.a_row_stride *= 3, g.a_k_stride *= 3;
      row.run(g);
      const auto expected = multiply(row, o);
      CHECK(std::equal(C.begin(), C.end(), expected.begin(), same_bits<float>));
    }
  });
}

TEST_CASE("gemm_bf16 rows touch nothing but their operands, at any alignment") {
  check_guard_pages(bf16_table());
}

TEST_CASE("gemm_bf16 rows leave the columns between N and the row stride alone") {
  check_row_stride(bf16_table());
}

TEST_CASE("gemm_bf16 rows give a range of rows, panels or K the bits of the whole") {
  check_ranges(bf16_table());
}

TEST_CASE("gemm_bf16 rows propagate special values, in tails too") {
  check_special_values(bf16_table());
}

}  // namespace espalier::test::gemm_bf16_tests
