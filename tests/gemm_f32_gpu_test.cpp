#include "tests/gemm_test.h"

namespace espalier::test::gemm_f32_tests {

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

}  // namespace espalier::test::gemm_f32_tests
