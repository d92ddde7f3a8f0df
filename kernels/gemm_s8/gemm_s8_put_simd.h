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
    for (int i = 0; i < panel; ++i) start[i] = a_offset<int8_t> * sums[i], multiplier[i] = 0;
    for (int i = 0; g.bias && i < columns; ++i) start[i] += g.bias[n + i];
    for (int i = 0; g.multiplier && i < columns; ++i) multiplier[i] = g.multiplier[n + i];
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

// Two registers of sums, and what C receives of them at p, by its output. All columns exist.
struct AsSums {
  static constexpr int size = gemm_s8_output_size(GemmS8Output::s32);
  static constexpr bool adds = false;
  static ESPALIER_INLINE void put(std::byte* p, s32 low, s32 high, f32v, f32v, int) {
    int32_t* c = reinterpret_cast<int32_t*>(p);
    store(c, low), store(c + s32_lanes, high);
  }
};
struct AsCodes {
  static constexpr int size = gemm_s8_output_size(GemmS8Output::s8);
  static constexpr bool adds = false;
  static ESPALIER_INLINE void put(std::byte* p, s32 low, s32 high, f32v by, f32v by_high,
                                  int zero_point) {
    store_codes(reinterpret_cast<int8_t*>(p), rounded(mul(to_float(low), by)),
                rounded(mul(to_float(high), by_high)), zero_point);
  }
};
struct AddedTo16Bits {
  static constexpr int size = gemm_s8_output_size(GemmS8Output::s16_sum);
  static constexpr bool adds = true;
  static ESPALIER_INLINE void put(std::byte* p, s32 low, s32 high, f32v by, f32v by_high, int) {
    add_to(reinterpret_cast<int16_t*>(p), rounded(mul(to_float(low), by)),
           rounded(mul(to_float(high), by_high)));
  }
};

// Rows of two registers of sums, of whose columns `count` exist: where some do not, by way of
// memory that holds them all.
template <class Output>
ESPALIER_INLINE void put_pair(const Tile& t, int column, int count, const int32_t* sums, int rows) {
  const float* multiplier = t.constants.multiplier + column;
  const f32v low = load(multiplier), high = load(multiplier + s32_lanes);
  const int64_t stride = t.g.c_row_stride * Output::size, bytes = count * Output::size;
  std::byte* c = static_cast<std::byte*>(t.g.C) + t.m * stride + (t.n + column) * Output::size;
  for (int r = 0; r < rows; ++r, c += stride, sums += panel) {
    const s32 left = load(sums), right = load(sums + s32_lanes);
    if (count >= pair_columns) {
      Output::put(c, left, right, low, high, t.g.zero_point);
      continue;
    }
    alignas(64) std::byte whole[pair_columns * Output::size];
    if (Output::adds) copy_padded<sizeof whole>(whole, c, bytes);
    Output::put(whole, left, right, low, high, t.g.zero_point);
    copy_part<sizeof whole>(c, whole, bytes);
  }
}

template <class Output>
ESPALIER_NOINLINE static void put_rows_as(const Tile& t, const int32_t* sums, int rows) {
  for (int i = 0; i < panel && i < t.columns; i += pair_columns)
    put_pair<Output>(t, i, t.columns - i, sums + i, rows);
}

// By way of memory, so that one body serves every height of tile: a tenth of the code.
ESPALIER_INLINE void put_rows(const Tile& t, const int32_t* sums, int rows) {
  if (t.g.output == GemmS8Output::s8) return put_rows_as<AsCodes>(t, sums, rows);
  if (t.g.output == GemmS8Output::s16_sum) return put_rows_as<AddedTo16Bits>(t, sums, rows);
  put_rows_as<AsSums>(t, sums, rows);
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

// Once a weight: unrolled it would take as much code as the product.
__attribute__((cold)) void gemm_s8_pack_b(const int8_t* B, int64_t k_stride, int64_t n_stride,
                                          int64_t K, int64_t N, std::byte* packed) noexcept {
  pack_matrix(B, k_stride, n_stride, K, N, packed);
}

}  // namespace espalier::ESPALIER_ISA
