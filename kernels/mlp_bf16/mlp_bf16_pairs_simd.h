// A block of rows goes through both products: a panel of the first, after bias, GELU and rounding,
// is just the words that the second takes for as many values of its k.
#pragma once

#include "kernels/gemm_bf16/gemm_bf16_words_simd.h"
#include "kernels/mlp_bf16/mlp_bf16.h"
#include "kernels/mlp_bf16/mlp_bf16_gelu_simd.h"

namespace espalier::ESPALIER_ISA {

// `rows` rows of words, one after the other, times panels of words.
ESPALIER_INLINE Gemm<float> product_of_words(const float* words, int64_t rows, int64_t K) {
  Gemm<float> g;
  g.M = rows, g.K = words_in(K);
  g.A = words, g.a_row_stride = g.K, g.a_k_stride = 1;
  return g;
}

ESPALIER_NOINLINE static void multiply_words(const Gemm<float>& g) {
  run_blocks<WordProduct>(g, InPlace{g}, Packed{g});
}

// A row of sums, of which `count` exist, becomes words.
ESPALIER_INLINE void store_hidden_row(const float* sums, int64_t count, float* to) {
  auto* halves = reinterpret_cast<uint16_t*>(to);
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    store_half<Bf16InMemory>(halves + i, mlp_gelu(load(sums + i, n)), n + n % 2);
  });
}

// The hidden activation of `rows` rows, from their words `left`.
static void make_hidden(const MlpBf16& mlp, const float* left, int64_t rows, float* hidden) {
  alignas(64) float sums[mlp_bf16_block * panel];
  Gemm<float> up = product_of_words(left, rows, mlp.K);
  up.C = sums, up.c_row_stride = panel;
  const int64_t stride = words_in(mlp.H);
  for (int64_t n = 0; n < mlp.H; n += panel) {
    up.N = mlp.H - n < panel ? mlp.H - n : panel;
    up.packed_b = mlp.packed_up + n * up.K;
    up.bias = mlp.up_bias ? mlp.up_bias + n : nullptr;
    multiply_words(up);
    for (int64_t r = 0; r < rows; ++r)
      store_hidden_row(sums + r * panel, up.N, hidden + r * stride + n / k_group);
  }
}

void mlp_bf16_run(const MlpBf16& mlp) noexcept {
  if (mlp.M <= 0 || mlp.N <= 0) return;
  const int64_t left_row = words_in(mlp.K), pieces = (mlp.M + mlp_bf16_block - 1) / mlp_bf16_block;
  float* left = mlp.scratch;
  float* hidden = left + mlp_bf16_block * left_row;
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t m = i * mlp.M / pieces, rows = (i + 1) * mlp.M / pieces - m;
    for (int64_t r = 0; r < rows; ++r)
      round_row(mlp.x + (m + r) * mlp.x_row_stride, mlp.K, left + r * left_row);
    make_hidden(mlp, left, rows, hidden);
    Gemm<float> down = product_of_words(hidden, rows, mlp.H);
    down.N = mlp.N;
    down.packed_b = mlp.packed_down, down.bias = mlp.down_bias;
    down.C = mlp.y + m * mlp.y_row_stride, down.c_row_stride = mlp.y_row_stride;
    down.accumulate = mlp.accumulate;
    multiply_words(down);
  }
}

}  // namespace espalier::ESPALIER_ISA
