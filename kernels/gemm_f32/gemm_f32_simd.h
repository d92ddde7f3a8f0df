// fp32 operands: A is read where it lies, and a word of A meets one of B in a fused multiply-add.
#pragma once

#include "kernels/gemm_f32/gemm_f32_blocks_simd.h"
#include "kernels/gemm_f32/gemm_f32_narrow_simd.h"

namespace espalier::ESPALIER_ISA {

void gemm_run(const Gemm<float>& g) noexcept {
  if (is_narrow(g))
    run_narrow(g);
  else
    run_blocks<Fused>(g, InPlace{g}, Packed{g});
}

void gemm_pack_b(const float* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                 float* packed) noexcept {
  for (int64_t n = 0; n < N; n += panel, packed += K * panel)
    pack_panel(B + n * n_stride, k_stride, n_stride, K,
               static_cast<int>(N - n < panel ? N - n : panel), packed);
}

}  // namespace espalier::ESPALIER_ISA
