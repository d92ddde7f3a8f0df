// The products of kernels/gemm_f32 over words of rounded operands.
#pragma once

#include "kernels/gemm_bf16/gemm_bf16_words_simd.h"

namespace espalier::ESPALIER_ISA {

void gemm_bf16_run(const Gemm<float>& g) noexcept {
  alignas(64) float scratch[Rounded::block_rows * k_block];
  Gemm<float> in_words = g;
  in_words.K = words_in(g.K);
  run_blocks<WordProduct>(in_words, Rounded{g, scratch}, Packed{in_words});
}

// A panel is packed as fp32, as many values of k at a time as stay in the first-level cache, and
// from there rounded into place.
void gemm_bf16_pack_b(const float* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                      float* packed) noexcept {
  constexpr int64_t step = 2048 / panel;
  alignas(64) float rows[step * panel];
  for (int64_t n = 0; n < N; n += panel) {
    const int columns = static_cast<int>(N - n < panel ? N - n : panel);
    for (int64_t k = 0; k < K; k += step) {
      const int64_t count = K - k < step ? K - k : step;
      pack_panel(B + n * n_stride + k * k_stride, k_stride, n_stride, count, columns, rows);
      round_lanes(rows, panel, count, panel, packed);
      packed += words_in(count) * panel;
    }
  }
}

}  // namespace espalier::ESPALIER_ISA
