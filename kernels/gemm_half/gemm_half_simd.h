// Panels of 16-bit values, widened for the tiles of kernels/gemm_f32.
#pragma once

#include "kernels/gemm_bf16/gemm_bf16_words_simd.h"
#include "kernels/gemm_half/gemm_half.h"

namespace espalier::ESPALIER_ISA {

ESPALIER_INLINE int64_t even(int64_t K) { return K + K % 2; }

// Widens values [k, k_end) of a panel.
template <class Half>
struct Widened {
  const Gemm<float>& g;
  float* scratch;

  ESPALIER_INLINE const float* take(int64_t n, int64_t k, int64_t k_end) const {
    const auto* halves = reinterpret_cast<const uint16_t*>(g.packed_b);
    halves += n * even(g.K) + k * panel;
    for (int64_t i = 0; i < (k_end - k) * panel; i += logical_lanes)
      store(scratch + i, Half::load(halves + i));
    return scratch;
  }
};

void gemm_f16_run_halves(const Gemm<float>& g) noexcept {
  alignas(64) float scratch[k_block * panel];
  run_blocks<Fused>(g, InPlace{g}, Widened<F16InMemory>{g, scratch});
}

void gemm_bf16_run_halves(const Gemm<float>& g) noexcept {
  alignas(64) float scratch[k_block * panel], rounded[Rounded::block_rows * k_block];
  run_blocks<Fused>(g, Rounded{g, rounded}, Widened<Bf16InMemory>{g, scratch});
}

// As gemm_bf16_pack_b: by way of fp32 in the first-level cache.
template <class Half>
ESPALIER_INLINE void pack_halves(const float* B, int64_t k_stride, int64_t n_stride, int64_t K,
                                 int64_t N, float* packed) {
  constexpr int64_t step = 2048 / panel;
  alignas(64) float rows[step * panel];
  auto* to = reinterpret_cast<uint16_t*>(packed);
  for (int64_t n = 0; n < N; n += panel) {
    const int columns = static_cast<int>(N - n < panel ? N - n : panel);
    for (int64_t k = 0; k < K; k += step) {
      const int64_t count = K - k < step ? K - k : step;
      pack_panel(B + n * n_stride + k * k_stride, k_stride, n_stride, count, columns, rows);
      for (int64_t i = 0; i < count * panel; i += logical_lanes, to += logical_lanes)
        Half::store(to, load(rows + i));
    }
    for (int64_t i = K * panel; i < even(K) * panel; ++i) *to++ = 0;
  }
}

void gemm_f16_pack_halves(const float* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                          float* packed) noexcept {
  pack_halves<F16InMemory>(B, k_stride, n_stride, K, N, packed);
}
void gemm_bf16_pack_halves(const float* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                           float* packed) noexcept {
  pack_halves<Bf16InMemory>(B, k_stride, n_stride, K, N, packed);
}

}  // namespace espalier::ESPALIER_ISA
