// Rows of A on their way into tiles: rounded, tile by tile, each 1 KiB in one piece.
#pragma once

#include "kernels/gemm_bf16/gemm_bf16_tile_block_simd.h"
#include "kernels/gemm_bf16/gemm_bf16_words_simd.h"

namespace espalier::ESPALIER_ISA {

// The words of one row of a tile, of whose values `count` exist.
ESPALIER_INLINE void round_row_of_tile(const float* from, int64_t count, float* to) {
  alignas(64) float row[k_step];
  if (count < k_step) {
    for (int64_t i = 0; i < k_step; ++i) row[i] = i < count ? from[i] : 0.0f;
    from = row;
  }
  store_row_of_tile(load(from), load(from + logical_lanes), to);
}

ESPALIER_INLINE void round_tile_along_k(const LeftRows& from, int64_t count, float* to) {
  for (int64_t r = 0; r < from.rows; ++r)
    round_row_of_tile(from.a + r * from.row_stride, count, to + r * tile_side);
}

// Rows lie along memory: pairs of k become words, for all rows at once, and these are transposed.
ESPALIER_INLINE void round_tile_across_k(const LeftRows& from, int64_t count, float* to) {
  alignas(64) float lanes[tile_side][tile_side];
  const float* pair[tile_side];
  const int rows = static_cast<int>(from.rows);
  const f32x16 none = broadcast(0.0f);
  for (int64_t i = 0; i < tile_side; ++i) {
    const float* at = from.a + 2 * i * from.k_stride;
    const f32x16 even = 2 * i < count ? load(at, rows) : none;
    store(lanes[i], words(even, 2 * i + 1 < count ? load(at + from.k_stride, rows) : none));
    pair[i] = lanes[i];
  }
  for (int64_t r = 0; r < tile_side; r += 4) {
    f32 column[4];
    load_columns(pair, r, column);
    for (int i = 0; i < 4; ++i) column[i].store_unaligned(to + (r + i) * tile_side);
  }
}

// Nothing lies along memory.
ESPALIER_NOINLINE static void round_scattered_tile(const LeftRows& from, int64_t count, float* to) {
  for (int64_t r = 0; r < from.rows; ++r) {
    alignas(64) float row[k_step];
    for (int64_t k = 0; k < count; ++k) row[k] = from.a[r * from.row_stride + k * from.k_stride];
    round_row_of_tile(row, count, to + r * tile_side);
  }
}

void round_left(const LeftRows& block, int64_t height, int64_t K, float* to) noexcept {
  for (int64_t r = 0; r < block.rows; r += height)
    for (int64_t k = 0; k < K; k += k_step, to += tile_words) {
      LeftRows tile = block;
      tile.a += r * block.row_stride + k * block.k_stride;
      tile.rows = block.rows - r < height ? block.rows - r : height;
      const int64_t count = K - k < k_step ? K - k : k_step;
      if (block.k_stride == 1)
        round_tile_along_k(tile, count, to);
      else if (block.row_stride == 1)
        round_tile_across_k(tile, count, to);
      else
        round_scattered_tile(tile, count, to);
    }
}

}  // namespace espalier::ESPALIER_ISA
