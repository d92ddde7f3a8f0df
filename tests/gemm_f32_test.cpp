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

namespace {

// The chain of fused multiply-adds of each element that differs from C's.
int64_t differing_chains(const Operands& o, const std::vector<float>& C) {
  int64_t wrong = 0;
  for (int64_t m = 0; m < o.shape.M; ++m)
    for (int64_t n = 0; n < o.shape.N; ++n) {
      const size_t i = static_cast<size_t>(m * o.shape.N + n);
      float sum = o.form.accumulate ? o.C[i] : 0.0f;
      if (o.form.bias) sum += o.bias[static_cast<size_t>(n)];
      for (int64_t k = 0; k < o.shape.K; ++k)
        sum = std::fma(o.A[static_cast<size_t>(m * o.a_row() + k * o.a_k())],
                       o.B[static_cast<size_t>(k * o.b_k() + n * o.b_n())], sum);
      wrong += !same_bits(sum, C[i]);
    }
  return wrong;
}

}  // namespace

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

#if defined(ESPALIER_CUDA)
TEST_CASE("gemm on a GPU gives the bits of the SIMD rows") {
  if (!gpu_reads_host_memory()) return;
  const DeviceScope device(Device::cuda());
  cuda::context.waits = true;
  // With squares of 64 and, where they are many, of 128.
  for (const int64_t products : {1, 130})
    for (const GemmShape& s :
         products == 1 ? boundary_shapes() : std::vector<GemmShape>{{7, 19, 9}})
      for_each_form([&](const Form& form) {
        INFO("M ", s.M, " K ", s.K, " N ", s.N, " products ", products);
        const Operands o(s, form);
        std::vector<float> C;
        for (int64_t i = 0; i < products; ++i) C.insert(C.end(), o.C.begin(), o.C.end());
        cuda::GemmBatch<float> g;
        g.M = s.M, g.N = s.N, g.K = s.K;
        g.A = o.A.data(), g.a_row_stride = o.a_row(), g.a_k_stride = o.a_k();
        g.B = o.B.data(), g.b_k_stride = o.b_k(), g.b_n_stride = o.b_n();
        g.C = C.data(), g.c_row_stride = s.N;
        g.bias = form.bias ? o.bias.data() : nullptr;
        g.accumulate = form.accumulate;
        g.products = {1, {{products, 0, 0, s.M * s.N}}};
        cuda::gemm_run_batch<float>(g);
        CHECK_NOTHROW(check_launches("gemm"));
        for (int64_t i = 0; i < products; ++i)
          CHECK(differing_chains(o, {C.begin() + i * s.M * s.N, C.begin() + (i + 1) * s.M * s.N}) ==
                0);
      });
}
#endif

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
