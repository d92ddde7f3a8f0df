// Products of tiles of 16 rows, 16 columns and 64 values of k. A block of rows of A is stored tile
// by tile and stays in cache while all panels pass over it; the sums of two tiles of rows by two of
// columns take 4 KiB, from where they become C.
#pragma once

#include "kernels/gemm_s8/gemm_s8_put_simd.h"
#include "kernels/simd_amx.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t left_tiles = 28;                            // 28 KiB
constexpr int64_t longest_k_block = left_tiles / 2 * k_step;  // two tiles of rows must fit
constexpr int64_t sums_stride = panel * static_cast<int64_t>(sizeof(int32_t));
static_assert(sums_stride == 2 * tile_row_bytes && k_step == tile_row_bytes);

// Values [k, k_end) of `rows` rows from row m on, in their stored form, as many tiles of `height`
// rows as it takes, those of k one after the other.
static void store_left_tiles(const GemmS8& g, int64_t m, int64_t rows, int64_t height, int64_t k,
                             int64_t k_end, a_type* to) {
  const int64_t row_of_tiles = padded_k(k_end - k) / k_step * tile_bytes;
  for (int64_t r = 0; r < rows; ++r) {
    const int8_t* from = g.A + (m + r) * g.a_row_stride;
    a_type* row = to + r / height * row_of_tiles + r % height * tile_row_bytes;
    int64_t i = k;
    for (; i + k_step <= k_end; i += k_step, row += tile_bytes) store_left(from + i, k_step, row);
    if (i < k_end) store_left(from + i, k_end - i, row);
  }
}

// The sums of up to two tiles of rows from m on, whose left operand is stored: put into C.
static void run_tiles(const Tile& t, int64_t rows, int64_t height, const a_type* left,
                      const std::byte* packed) {
  alignas(64) int32_t sums[2 * tile_side * panel];
  alignas(64) a_type slice[left_tiles * tile_bytes];
  TileProduct p;
  p.height = height;
  p.c = sums, p.c_stride = sums_stride;
  p.start = t.constants.start;
  for (int64_t k = 0; k < t.g.K || k == 0; k += longest_k_block) {
    const int64_t k_end = k + longest_k_block < t.g.K ? k + longest_k_block : t.g.K;
    if (!left) store_left_tiles(t.g, t.m, rows, height, k, k_end, slice);
    p.left = left ? left : slice;
    p.right = groups_of(packed) + k * panel;
    p.k_tiles = padded_k(k_end - k) / k_step;
    multiply_tiles<DotU8S8>(p, rows);
    p.start = sums, p.start_stride = sums_stride;
  }
  put_rows(t, sums, static_cast<int>(rows));
}

// Rows [first, last) by all panels.
static void run_tile_block(const GemmS8& g, int64_t first, int64_t last, int64_t height) {
  alignas(64) a_type left[left_tiles * tile_bytes];
  const bool fits = g.K <= longest_k_block;
  if (fits) store_left_tiles(g, first, last - first, height, 0, g.K, left);
  const int64_t row_of_tiles = padded_k(g.K) / k_step * tile_bytes;
  for (int64_t n = 0; n < g.N; n += panel) {
    const std::byte* packed = g.packed_b + n / panel * panel_bytes(g.K);
    const int columns = static_cast<int>(g.N - n < panel ? g.N - n : panel);
    const PanelConstants constants(g, packed, n, columns);
    for (int64_t m = first; m < last; m += 2 * height) {
      const int64_t rows = last - m < 2 * height ? last - m : 2 * height;
      const a_type* tiles = fits ? left + (m - first) / height * row_of_tiles : nullptr;
      run_tiles({g, constants, m, n, columns}, rows, height, tiles, packed);
    }
  }
}

void gemm_s8_run(const GemmS8& g) noexcept {
  if (g.M <= 0 || g.N <= 0) return;
  const int64_t height = tile_height(g.M);
  const TileScope scope(TileProduct::shapes(height));
  const int64_t k_tiles = padded_k(g.K) / k_step;
  const int64_t pairs = k_tiles && g.K <= longest_k_block ? left_tiles / k_tiles / 2 : 1;
  const int64_t block = 2 * height * (pairs < 8 ? pairs : 8);
  for (int64_t m = 0; m < g.M; m += block) {
    const int64_t last = m + block < g.M ? m + block : g.M;
    run_tile_block(g, m, last, height);
    look_up_rows(g, m, last);
  }
}

}  // namespace espalier::ESPALIER_ISA
