#include "kernels/gemm_bf16/gemm_bf16.h"

#include "kernels/cast/cast.h"
#include "kernels/gemm_f32/gemm_f32_scalar.h"

namespace espalier {
namespace {

float rounded(float x) noexcept { return cast_detail::to_float(cast_detail::to_bfloat16(x)); }

void pack_b(const float* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
            float* packed) noexcept {
  gemm_pack_b_scalar(B, k_stride, n_stride, K, N, packed, rounded);
}

void run(const Gemm<float>& g) noexcept { gemm_run_scalar(g, rounded); }

#define ESPALIER_GEMM_BF16_ROW(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_bf16_pack_b, isa::gemm_bf16_run},
#define ESPALIER_GEMM_BF16_PAIRS(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_bf16_pack_b, isa::gemm_bf16_run, 2, 1},
#define ESPALIER_GEMM_BF16_TILES(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_bf16_pack_b, isa::gemm_bf16_run, 32, 16},

}  // namespace

std::span<const GemmKernel<float>> gemm_bf16_kernels() noexcept {
  static constexpr GemmKernel<float> rows[] = {
      ESPALIER_IF_AMX(ESPALIER_GEMM_BF16_TILES(amx))
          ESPALIER_IF_AVX512BF16(ESPALIER_GEMM_BF16_PAIRS(avx512bf16)) ESPALIER_EACH_ISA(
              ESPALIER_GEMM_BF16_ROW){Isa::scalar, gemm_scalar_panel, pack_b, run}};
  return rows;
}

}  // namespace espalier
