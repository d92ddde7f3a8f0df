// Products of tiles. A block of rows of A is rounded once and stays in cache while all panels pass
// over it; two tiles of rows meet two of columns, four loads for four products.
#pragma once

#include "kernels/gemm_bf16/gemm_bf16_tiles_left_simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t left_tiles = 48;                            // 48 KiB
constexpr int64_t longest_k_block = left_tiles / 2 * k_step;  // two tiles of rows must fit

static_assert(panel == tile_columns);

ESPALIER_INLINE int64_t row_of_words(int64_t k) { return k / k_step * tile_side; }

// The chain's start where C or a bias gives it as it stands.
ESPALIER_INLINE void start_from(const float* c, int64_t c_stride, const float* bias,
                                TileProduct& p) {
  p.start = c ? c : bias;
  p.start_stride = c ? c_stride : 0;
}

// Where rows or columns are missing, or C and a bias are both to start from: by way of memory, in
// the second case only the start.
ESPALIER_NOINLINE static void multiply_part(TileProduct p, int64_t rows, int64_t columns,
                                            bool accumulate, const float* bias) {
  alignas(64) float c[2 * tile_side * panel] = {};
  char* rows_of_c = static_cast<char*>(p.c);
  const auto row_of_c = [&](int64_t r) ESPALIER_INLINE_LAMBDA {
    return reinterpret_cast<float*>(rows_of_c + r * p.c_stride);
  };
  for (int64_t r = 0; r < rows; ++r)
    blocks(columns, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      f32x16 start = bias ? load(bias + i, n) : broadcast(0.0f);
      if (accumulate) {
        const f32x16 before = load(row_of_c(r) + i, n);
        start = bias ? before + start : before;
      }
      store(c + r * panel + i, start, logical_lanes);
    });
  TileProduct whole = p;
  whole.start = c, whole.start_stride = panel_row_bytes;
  if (columns == panel && rows % p.height == 0) return multiply_tiles<DotBf16>(whole, rows);
  whole.c = c, whole.c_stride = panel_row_bytes;
  multiply_tiles<DotBf16>(whole, rows);
  for (int64_t r = 0; r < rows; ++r)
    blocks(columns, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      store(row_of_c(r) + i, load(c + r * panel + i), n);
    });
}

void run_tile_block(const Gemm<float>& g, const TileBlock& block, const float* left) noexcept {
  const TileScope scope(TileProduct::shapes(block.height));
  TileProduct p;
  p.k_tiles = k_tiles(block.k_end - block.k), p.height = block.height;
  p.c_stride = g.c_row_stride * static_cast<int64_t>(sizeof(float));
  const bool accumulate = g.accumulate || block.k > 0;
  for (int64_t n = 0; n < g.N; n += panel) {
    const int64_t columns = g.N - n < panel ? g.N - n : panel;
    const float* bias = g.bias && block.k == 0 ? g.bias + n : nullptr;
    p.right = g.packed_b + n * k_tiles(g.K) * tile_side + row_of_words(block.k) * panel;
    for (int64_t m = 0; m < g.M; m += 2 * block.height) {
      const int64_t rows = g.M - m < 2 * block.height ? g.M - m : 2 * block.height;
      float* c = g.C + m * g.c_row_stride + n;
      p.left = left + m / block.height * p.k_tiles * tile_words;
      p.c = c;
      start_from(accumulate ? c : nullptr, p.c_stride, bias, p);
      if (columns < panel || rows % block.height || (accumulate && bias))
        multiply_part(p, rows, columns, accumulate, bias);
      else
        multiply_tiles<DotBf16>(p, rows);
    }
  }
}

void gemm_bf16_run(const Gemm<float>& g) noexcept {
  if (g.M <= 0 || g.N <= 0) return;
  alignas(64) float left[left_tiles * tile_words];
  const int64_t height = tile_height(g.M);
  const int64_t k_block = g.K < longest_k_block ? g.K : longest_k_block;
  const int64_t fit = left_tiles / (k_block ? k_tiles(k_block) : 1) / 2 * 2 * height;
  for (int64_t m = 0; m < g.M; m += fit) {
    Gemm<float> rows = g;
    rows.A += m * g.a_row_stride, rows.C += m * g.c_row_stride;
    rows.M = g.M - m < fit ? g.M - m : fit;
    int64_t k = 0;
    do {
      const int64_t k_end = k + k_block < g.K ? k + k_block : g.K;
      round_left({rows.A + k * g.a_k_stride, g.a_row_stride, g.a_k_stride, rows.M}, height,
                 k_end - k, left);
      run_tile_block(rows, {k, k_end, height}, left);
      k = k_end;
    } while (k < g.K);
  }
}

void gemm_bf16_pack_b(const float* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                      float* packed) noexcept {
  alignas(64) float rows[k_step * panel];
  for (int64_t n = 0; n < N; n += panel) {
    const int columns = static_cast<int>(N - n < panel ? N - n : panel);
    for (int64_t k = 0; k < K; k += k_step, packed += tile_side * panel) {
      const int64_t count = K - k < k_step ? K - k : k_step;
      const float* from = B + n * n_stride + k * k_stride;
      int64_t stride = k_stride;
      if (n_stride != 1 || columns < panel) {
        pack_panel(from, k_stride, n_stride, count, columns, rows);
        from = rows, stride = panel;
      }
      round_lanes(from, stride, count, panel, packed);
      for (int64_t i = words_in(count); i < tile_side; ++i)
        std::memset(packed + i * panel, 0, panel_row_bytes);
    }
  }
}

}  // namespace espalier::ESPALIER_ISA
