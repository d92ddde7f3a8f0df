#include "kernels/mlp_bf16/mlp_bf16.h"

#include "kernels/gelu/gelu.h"
#include "kernels/gemm_half/gemm_half.h"

namespace espalier {
namespace {

// Row by row: the scalar product, which rounds its left side, scalar GELU, and the product again.
void run(const MlpBf16& mlp) noexcept {
  const auto& product = gemm_half_bf16_kernels().back();
  const auto& gelu = gelu_forward_kernels<float>().back();
  for (int64_t m = 0; m < mlp.M; ++m) {
    Gemm<float> up;
    up.M = 1, up.N = mlp.H, up.K = mlp.K;
    up.A = mlp.x + m * mlp.x_row_stride, up.a_row_stride = mlp.x_row_stride, up.a_k_stride = 1;
    up.packed_b = mlp.packed_up, up.bias = mlp.up_bias;
    up.C = mlp.scratch, up.c_row_stride = mlp.H;
    product.run(up);
    gelu.run(GeluKind::erf, mlp.scratch, mlp.scratch, mlp.H);
    Gemm<float> down;
    down.M = 1, down.N = mlp.N, down.K = mlp.H;
    down.A = mlp.scratch, down.a_row_stride = mlp.H, down.a_k_stride = 1;
    down.packed_b = mlp.packed_down, down.bias = mlp.down_bias;
    down.C = mlp.y + m * mlp.y_row_stride, down.c_row_stride = mlp.y_row_stride;
    down.accumulate = mlp.accumulate;
    product.run(down);
  }
}

}  // namespace

std::span<const KernelRow<MlpBf16Run>> mlp_bf16_kernels() noexcept {
  static constexpr KernelRow<MlpBf16Run> rows[] = {
      ESPALIER_IF_AMX({Isa::amx, amx::mlp_bf16_run}, )
          ESPALIER_IF_AVX512BF16({Isa::avx512bf16, avx512bf16::mlp_bf16_run}, ){Isa::scalar, run}};
  return rows;
}

}  // namespace espalier
