// Rows of A on their way into tiles: rounded, tile by tile, each 1 KiB in one piece.
#pragma once

#include "kernels/gemm_bf16/gemm_bf16_words_simd.h"
#include "kernels/simd_amx.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t k_step = 32;  // values of k in a tile
constexpr int64_t tile_words = tile_bytes / static_cast<int64_t>(sizeof(float));

ESPALIER_INLINE int64_t k_tiles(int64_t K) { return (K + k_step - 1) / k_step; }

// Values (row, k) of A lie at a + row * row_stride + k * k_stride.
struct LeftRows {
  const float* a;
  int64_t row_stride, k_stride, rows;
};

// The words of one row of a tile, of whose values `count` exist.
ESPALIER_INLINE void round_row_of_tile(const float* from, int64_t count, float* to) {
  alignas(64) float row[k_step];
  if (count < k_step) {
    for (int64_t i = 0; i < k_step; ++i) row[i] = i < count ? from[i] : 0.0f;
    from = row;
  }
#if defined(__AVX512BF16__)
  const auto halves = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from));
  std::memcpy(to, &halves, sizeof halves);
#else
  auto* halves = reinterpret_cast<uint16_t*>(to);
  store_bf16(halves, load(from));
  store_bf16(halves + logical_lanes, load(from + logical_lanes));
#endif
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

// K values of each row, as many tiles of `height` rows as it takes, those of k one after the other.
static void round_left(const LeftRows& block, int64_t height, int64_t K, float* to) {
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
