// Products of tiles of 16 rows, 16 columns and 32 values of k, of a block of rows at a time: what
// the gemm_bf16 unit of an instruction set defines for others of the same set.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/simd_amx.h"
#include "kernels/simd_half.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t k_step = 32;  // values of k in a tile
constexpr int64_t tile_words = tile_bytes / static_cast<int64_t>(sizeof(float));

// Two tiles of columns make a panel.
constexpr int64_t tile_columns = 2 * tile_side;
constexpr int64_t panel_row_bytes = 2 * tile_row_bytes;

ESPALIER_INLINE int64_t k_tiles(int64_t K) { return (K + k_step - 1) / k_step; }

// Values of one row of a tile, rounded.
ESPALIER_INLINE void store_row_of_tile(const f32x16& low, const f32x16& high, float* to) {
#if defined(__AVX512BF16__)
  const auto halves = _mm512_cvtne2ps_pbh(high.part[0], low.part[0]);
  std::memcpy(to, &halves, sizeof halves);
#else
  auto* halves = reinterpret_cast<uint16_t*>(to);
  store_bf16(halves, low);
  store_bf16(halves + logical_lanes, high);
#endif
}

// Values (row, k) of A lie at a + row * row_stride + k * k_stride.
struct LeftRows {
  const float* a;
  int64_t row_stride, k_stride, rows;
};

// K values of each row, rounded, as many tiles of `height` rows as it takes, those of k one after
// the other.
void round_left(const LeftRows& block, int64_t height, int64_t K, float* to) noexcept;

// Values [k, k_end) of K.
struct TileBlock {
  int64_t k, k_end, height;
};

// All panels of the rows of `g`, whose A is rounded already and lies in `left`. Outside any
// TileScope.
void run_tile_block(const Gemm<float>& g, const TileBlock& block, const float* left) noexcept;

}  // namespace espalier::ESPALIER_ISA
