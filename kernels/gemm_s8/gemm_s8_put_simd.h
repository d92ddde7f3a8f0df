// What becomes of the sums of a tile, and the functions around it that every row has.
#pragma once

#include "kernels/gemm_s8/gemm_s8_tile_simd.h"
#include "kernels/simd_s8_table.h"

namespace espalier::ESPALIER_ISA {

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

// Rows [first, last) of C through the table, if there is one.
ESPALIER_INLINE void look_up_rows(const GemmS8& g, int64_t first, int64_t last) {
  if (g.output != GemmS8Output::s8 || !g.table) return;
  const ByteTable table(g.table);
  for (int64_t m = first; m < last; ++m)
    look_up(table, static_cast<int8_t*>(g.C) + m * g.c_row_stride, g.N);
}

int64_t gemm_s8_packed_size(int64_t K, int64_t N) noexcept {
  return (N + panel - 1) / panel * panel_bytes(K);
}

void gemm_s8_pack_b(const int8_t* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                    std::byte* packed) noexcept {
  pack_matrix(B, k_stride, n_stride, K, N, packed);
}

}  // namespace espalier::ESPALIER_ISA
