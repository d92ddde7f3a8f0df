#include "kernels/gemm_s8/gemm_s8.h"

#include <algorithm>

#include "kernels/round_within.h"

namespace espalier {
namespace {

constexpr int panel = gemm_s8_panel(Isa::scalar);

int64_t packed_size_scalar(int64_t K, int64_t N) noexcept {
  return (N + panel - 1) / panel * panel * K;
}

void pack_b_scalar(const int8_t* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                   std::byte* packed) noexcept {
  int8_t* to = reinterpret_cast<int8_t*>(packed);
  for (int64_t n0 = 0; n0 < N; n0 += panel)
    for (int64_t k = 0; k < K; ++k)
      for (int64_t n = n0; n < n0 + panel; ++n)
        *to++ = n < N ? B[k * k_stride + n * n_stride] : int8_t{0};
}

void put(const GemmS8& g, int64_t m, int64_t n, int32_t sum) {
  const int64_t at = m * g.c_row_stride + n;
  if (g.output == GemmS8Output::s32) {
    static_cast<int32_t*>(g.C)[at] = sum;
    return;
  }
  const float scaled = static_cast<float>(sum) * g.multiplier[n];
  if (g.output == GemmS8Output::s8) {
    const int32_t code = code_of(scaled, g.zero_point);
    static_cast<int8_t*>(g.C)[at] = g.table ? g.table[code + 128] : static_cast<int8_t>(code);
  } else {
    int16_t& c = static_cast<int16_t*>(g.C)[at];
    const int32_t moved = c + round_within(scaled, -32768, 32767);
    c = static_cast<int16_t>(std::clamp(moved, -32768, 32767));
  }
}

void run_scalar(const GemmS8& g) noexcept {
  for (int64_t n = 0; n < g.N; ++n) {
    const int8_t* b =
        reinterpret_cast<const int8_t*>(g.packed_b) + n / panel * panel * g.K + n % panel;
    for (int64_t m = 0; m < g.M; ++m) {
      int32_t sum = g.bias ? g.bias[n] : 0;
      for (int64_t k = 0; k < g.K; ++k) sum += g.A[m * g.a_row_stride + k] * b[k * panel];
      put(g, m, n, sum);
    }
  }
}

#define ESPALIER_GEMM_S8_ROW(isa)                                                    \
  {Isa::isa, gemm_s8_panel(Isa::isa), isa::gemm_s8_packed_size, isa::gemm_s8_pack_b, \
   isa::gemm_s8_run},

}  // namespace

std::span<const GemmS8Kernel> gemm_s8_kernels() noexcept {
  static constexpr GemmS8Kernel rows[] = {
      ESPALIER_IF_AMX(ESPALIER_GEMM_S8_ROW(amx)) ESPALIER_EACH_DOT_ISA(ESPALIER_GEMM_S8_ROW)
          ESPALIER_IF_CUDA(ESPALIER_GEMM_S8_ROW(cuda)){Isa::scalar, panel, packed_size_scalar,
                                                       pack_b_scalar, run_scalar}};
  return rows;
}

}  // namespace espalier
