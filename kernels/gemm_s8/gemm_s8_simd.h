// A block of rows of A is brought into its stored form once and stays in cache while all panels
// pass over it, in register tiles of up to `tile_rows` rows by one panel. A tile keeps its sums in
// registers over all of K; where K is so long that not even one tile's rows fit the block, they are
// stored again slice by slice.
#pragma once

#include "kernels/gemm_s8/gemm_s8_put_simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t left_bytes = 24 * 1024;  // of a first-level cache of 32 KiB
constexpr int64_t most_block_tiles = 16;
constexpr int64_t k_slice =
    left_bytes / (tile_rows * static_cast<int64_t>(sizeof(a_type))) / 64 * 64;

// `count` values from each of the rows to their stored form; at once where no row needs padding.
ESPALIER_NOINLINE static void store_left_rows(const int8_t* from, int64_t stride, int64_t rows,
                                              int64_t count, a_type* to, int64_t to_stride) {
  if (stride == count && to_stride == count) count *= rows, rows = 1;
  for (int64_t r = 0; r < rows; ++r) store_left(from + r * stride, count, to + r * to_stride);
}

template <int Rows>
static void run_tile(const Tile& t, const a_type* left, int64_t left_stride,
                     const b_type* right) noexcept {
  s32 sum[Rows][tile_registers];
  ESPALIER_UNROLL_REGISTERS
  for (int r = 0; r < Rows; ++r) ESPALIER_UNROLL_REGISTERS
  for (int i = 0; i < tile_registers; ++i) sum[r][i] = load(t.constants.start + i * s32_lanes);
  if (t.g.K <= k_slice) {
    multiply_tile<Rows>(left, left_stride, right, padded_k(t.g.K), sum);
  } else {
    a_type slice[Rows * k_slice];
    for (int64_t k = 0; k < t.g.K; k += k_slice) {
      const int64_t count = t.g.K - k < k_slice ? t.g.K - k : k_slice;
      store_left_rows(t.g.A + t.m * t.g.a_row_stride + k, t.g.a_row_stride, Rows, count, slice,
                      k_slice);
      multiply_tile<Rows>(slice, k_slice, right + k * panel, padded_k(count), sum);
    }
  }
  int32_t sums[Rows * panel];
  store_sums<Rows>(sum, sums, panel);
  put_rows(t, sums, Rows);
}

using RunTile = void(const Tile&, const a_type*, int64_t, const b_type*) noexcept;

template <int... Rows>
ESPALIER_INLINE RunTile* tile_of(int64_t rows, Heights<Rows...>) {
  static constexpr RunTile* tiles[] = {run_tile<Rows>...};
  return tiles[rows - 1];
}

// Rows [first, last), which start at tiles dealt evenly.
static void run_block(const GemmS8& g, int64_t first, int64_t last, a_type* left) {
  const int64_t stride = padded_k(g.K), rows = last - first;
  if (g.K <= k_slice)
    store_left_rows(g.A + first * g.a_row_stride, g.a_row_stride, rows, g.K, left, stride);
  const int64_t tiles = (rows + tile_rows - 1) / tile_rows;
  for (int64_t n = 0; n < g.N; n += panel) {
    const std::byte* packed = g.packed_b + n / panel * panel_bytes(g.K);
    const int columns = static_cast<int>(g.N - n < panel ? g.N - n : panel);
    const PanelConstants constants(g, packed, n, columns);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t m = i * rows / tiles, end = (i + 1) * rows / tiles;
      tile_of(end - m, TileHeights())({g, constants, first + m, n, columns}, left + m * stride,
                                      stride, groups_of(packed));
    }
  }
}

void gemm_s8_run(const GemmS8& g) noexcept {
  if (g.M <= 0 || g.N <= 0) return;
  alignas(64) a_type left[left_bytes / sizeof(a_type)];
  const int64_t fit = g.K <= k_slice && g.K > 0
                          ? left_bytes / static_cast<int64_t>(sizeof(a_type)) / padded_k(g.K)
                          : tile_rows;
  int64_t tiles = fit / tile_rows;
  if (tiles > most_block_tiles) tiles = most_block_tiles;
  const int64_t rows = tiles * tile_rows, blocks = (g.M + rows - 1) / rows;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = b * rows, last = first + rows < g.M ? first + rows : g.M;
    run_block(g, first, last, left);
    look_up_rows(g, first, last);
  }
}

}  // namespace espalier::ESPALIER_ISA
