// A block of rows goes through both products: 32 columns of the first, after bias, GELU and
// rounding, are just the tiles that the second takes for 32 values of its k.
#pragma once

#include "kernels/gemm_bf16/gemm_bf16_tile_block_simd.h"
#include "kernels/mlp_bf16/mlp_bf16.h"
#include "kernels/mlp_bf16/mlp_bf16_gelu_simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t row_tiles = mlp_bf16_block / tile_side;
static_assert(row_tiles % 2 == 0);

// `rows` rows of sums, of whose 32 columns `count` exist, become those of a tile.
ESPALIER_INLINE void store_hidden_tile(const float* sums, int64_t rows, int count, float* to) {
  const int low = count < logical_lanes ? count : logical_lanes;
  for (int64_t r = 0; r < rows; ++r, sums += tile_columns, to += tile_side)
    store_row_of_tile(mlp_gelu(load(sums, low)), mlp_gelu(load(sums + logical_lanes, count - low)),
                      to);
}

// A product of one or two tiles of `rows` rows, on its way to the hidden activation at `to`.
ESPALIER_INLINE void make_hidden_tiles(const TileProduct& p, int64_t rows, int count, float* to,
                                       int64_t to_stride) {
  const auto* sums = static_cast<const float*>(p.c);
  multiply_tiles<DotBf16>(p, rows);
  store_hidden_tile(sums, rows < p.height ? rows : p.height, count, to);
  const int64_t more = rows - p.height;
  if (more > 0)
    store_hidden_tile(sums + p.height * tile_columns, more < p.height ? more : p.height, count,
                      to + to_stride);
}

// The hidden activation of `rows` rows, from their tiles `left`. What is past H is 0.
static void make_hidden(const MlpBf16& g, const float* left, int64_t rows, int64_t height,
                        float* hidden) {
  alignas(64) float sums[2 * tile_side * tile_columns], bias[tile_columns] = {};
  const TileScope scope(TileProduct::shapes(height));
  const int64_t tiles = k_tiles(g.H);
  TileProduct p;
  p.k_tiles = k_tiles(g.K), p.height = height;
  p.c = sums, p.c_stride = panel_row_bytes;
  p.start = bias;
  for (int64_t j = 0; j < tiles; ++j) {
    const int64_t left_over = g.H - j * tile_columns;
    const int count = static_cast<int>(left_over < tile_columns ? left_over : tile_columns);
    if (g.up_bias)
      for (int i = 0; i < count; ++i) bias[i] = g.up_bias[j * tile_columns + i];
    p.right = g.packed_up + j * p.k_tiles * tile_side * tile_columns;
    for (int64_t r = 0, tile = 0; r < rows; r += 2 * height, tile += 2) {
      p.left = left + tile * p.k_tiles * tile_words;
      float* to = hidden + (tile * tiles + j) * tile_words;
      make_hidden_tiles(p, rows - r, count, to, tiles * tile_words);
    }
  }
}

void mlp_bf16_run(const MlpBf16& g) noexcept {
  if (g.M <= 0 || g.N <= 0) return;
  const int64_t height = tile_height(g.M), fit = row_tiles * height;
  float* left = g.scratch;
  float* hidden = left + row_tiles * k_tiles(g.K) * tile_words;
  for (int64_t m = 0; m < g.M; m += fit) {
    const int64_t rows = g.M - m < fit ? g.M - m : fit;
    round_left({g.x + m * g.x_row_stride, g.x_row_stride, 1, rows}, height, g.K, left);
    make_hidden(g, left, rows, height, hidden);
    Gemm<float> down;
    down.M = rows, down.N = g.N, down.K = g.H;
    down.packed_b = g.packed_down, down.bias = g.down_bias;
    down.C = g.y + m * g.y_row_stride, down.c_row_stride = g.y_row_stride;
    down.accumulate = g.accumulate;
    run_tile_block(down, {0, g.H, height}, hidden);
  }
}

}  // namespace espalier::ESPALIER_ISA
