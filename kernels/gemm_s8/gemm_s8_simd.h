// A block of rows of A is brought into its stored form once and stays in cache while all panels
// pass over it, in register tiles of up to `tile_rows` rows by one panel. A tile keeps its sums in
// registers over all of K; where K is so long that not even one tile's rows fit the block, they are
// stored again slice by slice.
#pragma once

#include "kernels/gemm_s8/gemm_s8_tile_simd.h"
#include "kernels/simd_s8_table.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t left_bytes = 24 * 1024;  // of a first-level cache of 32 KiB
constexpr int64_t most_block_tiles = 16;
constexpr int64_t k_slice =
    left_bytes / (tile_rows * static_cast<int64_t>(sizeof(a_type))) / 64 * 64;

// What a tile of one panel shares with the others: sums to start from, and multipliers, both past
// the last column as zeros.
struct PanelConstants {
  int32_t start[panel];
  float multiplier[panel];

  ESPALIER_INLINE PanelConstants(const GemmS8& g, const std::byte* packed_panel, int64_t n,
                                 int columns) {
    const int32_t* sums = column_sums(packed_panel);
    for (int i = 0; i < panel; ++i) {
      const bool inside = i < columns;
      start[i] = a_offset<int8_t> * sums[i] + (inside && g.bias ? g.bias[n + i] : 0);
      multiplier[i] = inside && g.multiplier ? g.multiplier[n + i] : 0.0f;
    }
  }
};

// `count` values from each of the rows to their stored form.
ESPALIER_NOINLINE static void store_left_rows(const int8_t* from, int64_t stride, int64_t rows,
                                              int64_t count, a_type* to, int64_t to_stride) {
  for (int64_t r = 0; r < rows; ++r) store_left(from + r * stride, count, to + r * to_stride);
}

struct Tile {
  const GemmS8& g;
  const PanelConstants& constants;
  int64_t m, n;
  int columns;
};

constexpr int pair_columns = 2 * s32_lanes;
static_assert(panel % pair_columns == 0);

// Two registers of results at C[m, n], all of whose columns exist.
ESPALIER_INLINE void put(const GemmS8& g, int64_t m, int64_t n, const int32_t* sums,
                         const float* multiplier) {
  const int64_t at = m * g.c_row_stride + n;
  const s32 sum[2] = {load(sums), load(sums + s32_lanes)};
  if (g.output == GemmS8Output::s32) {
    int32_t* c = static_cast<int32_t*>(g.C) + at;
    store(c, sum[0]);
    return store(c + s32_lanes, sum[1]);
  }
  const s32 low = rounded(mul(to_float(sum[0]), load(multiplier)));
  const s32 high = rounded(mul(to_float(sum[1]), load(multiplier + s32_lanes)));
  if (g.output == GemmS8Output::s8)
    store_codes(static_cast<int8_t*>(g.C) + at, low, high, g.zero_point);
  else
    add_to(static_cast<int16_t*>(g.C) + at, low, high);
}

// Of which only `count` columns exist: by way of memory that holds them all.
ESPALIER_NOINLINE static void put_part(const GemmS8& g, int64_t m, int64_t n, const int32_t* sums,
                                       const float* multiplier, int count) {
  const int64_t size = gemm_s8_output_size(g.output);
  alignas(64) std::byte columns[pair_columns * sizeof(int32_t)] = {};
  std::byte* c = static_cast<std::byte*>(g.C) + (m * g.c_row_stride + n) * size;
  for (int64_t i = 0; i < count * size; ++i) columns[i] = c[i];
  GemmS8 whole = g;
  whole.C = columns;
  put(whole, 0, 0, sums, multiplier);
  for (int64_t i = 0; i < count * size; ++i) c[i] = columns[i];
}

// By way of memory, so that one body serves every height of tile: a tenth of the code.
ESPALIER_NOINLINE static void put_rows(const Tile& t, const int32_t* sums, int rows) {
  for (int r = 0; r < rows; ++r, sums += panel)
    for (int i = 0; i < panel && i < t.columns; i += pair_columns) {
      const float* multiplier = t.constants.multiplier + i;
      if (t.columns - i >= pair_columns)
        put(t.g, t.m + r, t.n + i, sums + i, multiplier);
      else
        put_part(t.g, t.m + r, t.n + i, sums + i, multiplier, t.columns - i);
    }
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
    if (g.output != GemmS8Output::s8 || !g.table) continue;
    const ByteTable table(g.table);
    for (int64_t m = first; m < last; ++m)
      look_up(table, static_cast<int8_t*>(g.C) + m * g.c_row_stride, g.N);
  }
}

int64_t gemm_s8_packed_size(int64_t K, int64_t N) noexcept {
  return (N + panel - 1) / panel * panel_bytes(K);
}

void gemm_s8_pack_b(const int8_t* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                    std::byte* packed) noexcept {
  pack_matrix(B, k_stride, n_stride, K, N, packed);
}

}  // namespace espalier::ESPALIER_ISA
