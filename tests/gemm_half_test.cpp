#include "kernels/gemm_half/gemm_half.h"

#include <algorithm>

#include "kernels/cast/cast.h"
#include "kernels/gemm_bf16/gemm_bf16.h"
#include "tests/gemm_test.h"

namespace espalier::test::gemm_half_tests {
namespace {

template <class Half>
float rounded(float x) {
  return cast_detail::to_float(cast_detail::convert<Half>(x));
}

// K products and K sums and at most two additions before them, each rounded once. What avx512bf16
// takes for zero: see tests/gemm_bf16_test.cpp.
double bound(int64_t K, double magnitude) {
  return static_cast<double>(K + 2) * (epsilon * magnitude + 17 * 0x1p-126);
}

const GemmTable tables[] = {
    {gemm_half_f16_kernels(), [](float x) { return x; }, rounded<Float16>, bound},
    {gemm_half_bf16_kernels(), rounded<BFloat16>, rounded<BFloat16>, bound}};

void check_tables(void (*check)(const GemmTable&)) {
  for (const GemmTable& table : tables) {
    INFO("table ", &table - tables, " of f16, bf16");
    check(table);
  }
}

const GemmKernel<float>& row_for(std::span<const GemmKernel<float>> rows, Isa isa) {
  return *std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.isa == isa; });
}

}  // namespace

TEST_CASE("gemm_half rows agree with the double reference for every shape up to 33") {
  check_tables(check_every_small_shape);
}

TEST_CASE("gemm_half rows agree with the double reference on the shapes of a transformer") {
  check_tables(check_transformer_shapes);
}

TEST_CASE("gemm_half rows give the bits of the product of rounded operands, from half the bytes") {
  check_tables([](const GemmTable& table) {
    for_each_row(table.rows, [&](const auto& row) {
      CHECK(row.packed_size(32, row.panel) == 16 * row.panel);
      // From avx512bf16 on products add in pairs: the same as gemm_bf16's row of that name.
      const bool paired = row.isa >= Isa::avx512bf16;
      const auto& plain = row_for(paired ? gemm_bf16_kernels() : gemm_kernels<float>(), row.isa);
      for (const GemmShape& s : boundary_shapes())
        for_each_form([&](const Form& form) {
          INFO("M ", s.M, " K ", s.K, " N ", s.N);
          const Operands o(s, form);
          const auto C = multiply(row, o), expected = multiply(plain, table.taken(o));
          CHECK(std::equal(C.begin(), C.end(), expected.begin(), same_bits<float>));
        });
    });
  });
}

TEST_CASE("gemm_half rows touch nothing but their operands, at any alignment") {
  check_tables(check_guard_pages);
}

TEST_CASE("gemm_half rows leave the columns between N and the row stride alone") {
  check_tables(check_row_stride);
}

TEST_CASE("gemm_half rows give a range of rows, panels or K the bits of the whole") {
  check_tables(check_ranges);
}

TEST_CASE("gemm_half rows propagate special values, in tails too") {
  check_tables(check_special_values);
}

}  // namespace espalier::test::gemm_half_tests
