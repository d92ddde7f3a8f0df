#include "kernels/gemm_half/gemm_half.h"

#include <algorithm>

#include "kernels/cast/cast.h"
#include "kernels/gemm_bf16/gemm_bf16.h"
#include "kernels/gemm_f32/gemm_f32_scalar.h"

namespace espalier {
namespace {

template <class Half>
void pack_b(const float* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
            float* packed) noexcept {
  auto* to = reinterpret_cast<Half*>(packed);
  for (int64_t n0 = 0; n0 < N; n0 += gemm_scalar_panel)
    for (int64_t k = 0; k < K + K % 2; ++k)
      for (int64_t n = n0; n < n0 + gemm_scalar_panel; ++n)
        *to++ = cast_detail::convert<Half>(n < N && k < K ? B[k * k_stride + n * n_stride] : 0.0f);
}

template <class Half>
void run(const Gemm<float>& g) noexcept {
  const auto* halves = reinterpret_cast<const Half*>(g.packed_b);
  const auto left = [](float a) {
    if constexpr (std::is_same_v<Half, Float16>) return a;
    return cast_detail::to_float(cast_detail::to_bfloat16(a));
  };
  gemm_run_scalar(g, left, [&](int64_t n0, int64_t i) {
    return cast_detail::to_float(halves[n0 * (g.K + g.K % 2) + i]);
  });
}

#define ESPALIER_F16_ROW(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_f16_pack_halves, isa::gemm_f16_run_halves, 2},
#define ESPALIER_BF16_ROW(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_bf16_pack_halves, isa::gemm_bf16_run_halves, 2},
#define ESPALIER_BF16_PAIRS(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_bf16_pack_b, isa::gemm_bf16_run, 2},
#define ESPALIER_BF16_TILES(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_bf16_pack_b, isa::gemm_bf16_run, 32, 16},

template <class Half>
constexpr GemmKernel<float> scalar_row = {Isa::scalar, gemm_scalar_panel, pack_b<Half>, run<Half>,
                                          2};

}  // namespace

std::span<const GemmKernel<float>> gemm_half_f16_kernels() noexcept {
  static constexpr GemmKernel<float> rows[] = {ESPALIER_EACH_ISA(ESPALIER_F16_ROW)
                                                   scalar_row<Float16>};
  return rows;
}

std::span<const GemmKernel<float>> gemm_half_bf16_kernels() noexcept {
  static constexpr GemmKernel<float> rows[] = {
      ESPALIER_IF_AMX(ESPALIER_BF16_TILES(amx))
          ESPALIER_IF_AVX512BF16(ESPALIER_BF16_PAIRS(avx512bf16))
              ESPALIER_EACH_ISA(ESPALIER_BF16_ROW) scalar_row<BFloat16>};
  return rows;
}

const GemmKernel<float>& gemm_half_bf16_row(Isa isa) noexcept {
  const auto rows = gemm_half_bf16_kernels();
  return *std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.isa == isa; });
}

}  // namespace espalier
