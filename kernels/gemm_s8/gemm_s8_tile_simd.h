// The register tile that exact products share, and the packed form of their right-hand side.
#pragma once

#include "kernels/gemm_s8/gemm_s8.h"
#include "kernels/simd_s8.h"

namespace espalier::ESPALIER_ISA {

constexpr int panel = gemm_s8_panel(Isa::ESPALIER_ISA);
constexpr int tile_registers = panel / s32_lanes;
// What leaves registers for the right-hand side: AVX-512 has 32 of either width, AVX2 half of them,
// and on Arm a row of the tile takes four.
constexpr int tile_rows = group == 4 && sizeof(s32) > 16 ? 12 : 6;
static_assert((tile_rows * tile_registers + tile_registers + 1) <= 32);

// A list of 1 to tile_rows: the heights that a tile may have, for tables of functions.
template <int... Rows>
struct Heights {};
template <int Left, int... Rows>
struct HeightsTo : HeightsTo<Left - 1, Left, Rows...> {};
template <int... Rows>
struct HeightsTo<0, Rows...> {
  using List = Heights<Rows...>;
};
using TileHeights = HeightsTo<tile_rows>::List;

// K in whole groups, or as AMX takes them.
constexpr int64_t k_step = Isa::ESPALIER_ISA == Isa::amx ? 64 : group;
constexpr ESPALIER_INLINE int64_t padded_k(int64_t K) { return (K + k_step - 1) / k_step * k_step; }

// A packed panel: the sums of its columns, then its groups, each for all columns.
constexpr ESPALIER_INLINE int64_t panel_bytes(int64_t K) {
  return panel * (static_cast<int64_t>(sizeof(int32_t)) +
                  padded_k(K) * static_cast<int64_t>(sizeof(b_type)));
}
ESPALIER_INLINE const int32_t* column_sums(const std::byte* packed_panel) {
  return reinterpret_cast<const int32_t*>(packed_panel);
}
ESPALIER_INLINE const b_type* groups_of(const std::byte* packed_panel) {
  return reinterpret_cast<const b_type*>(packed_panel + panel * sizeof(int32_t));
}

// Where B[k, n] = B[k * k_stride + n * n_stride] goes; only this many columns exist.
struct Packing {
  const int8_t* B;
  int64_t k_stride, n_stride, K;
  int columns;
  int32_t* sums;
  b_type* to;
};

// Columns lie along memory: each is widened a piece at a time, and its groups are dealt out.
static void pack_columns(const Packing& p) {
  constexpr int64_t piece = 256;
  for (int n = 0; n < p.columns; ++n)
    for (int64_t k = 0; k < p.K; k += piece) {
      b_type column[piece];
      const int64_t count = p.K - k < piece ? p.K - k : piece;
      const int8_t* from = p.B + n * p.n_stride + k;
      int32_t sum = 0;
      for (int64_t i = 0; i < count; ++i) column[i] = from[i], sum += from[i];
      for (int64_t i = count; i % group; ++i) column[i] = 0;
      p.sums[n] += sum;
      for (int64_t i = 0; i < count; i += group)
        std::memcpy(p.to + (k + i) * panel + n * group, column + i, group * sizeof(b_type));
    }
}

// Rows lie along memory, or nothing does: `group` rows are interleaved. In arrays of its own, since
// bytes may alias anything and would be reloaded for each store.
static void pack_rows(const Packing& p) {
  int32_t sums[panel] = {};
  for (int64_t k = 0; k < p.K; k += group) {
    int8_t rows[group][panel] = {};
    const int64_t count = p.K - k < group ? p.K - k : group;
    for (int64_t j = 0; j < count; ++j) {
      const int8_t* from = p.B + (k + j) * p.k_stride;
      if (p.n_stride == 1 && p.columns == panel)
        std::memcpy(rows[j], from, panel);
      else
        for (int n = 0; n < p.columns; ++n) rows[j][n] = from[n * p.n_stride];
    }
    b_type groups[panel * group];
    for (int n = 0; n < panel; ++n)
      for (int j = 0; j < group; ++j) groups[n * group + j] = rows[j][n];
    for (int j = 0; j < group; ++j)
      for (int n = 0; n < panel; ++n) sums[n] += rows[j][n];
    std::memcpy(p.to + k * panel, groups, sizeof groups);
  }
  std::memcpy(p.sums, sums, sizeof sums);
}

ESPALIER_INLINE void pack_panel(const int8_t* B, int64_t k_stride, int64_t n_stride, int64_t K,
                                int columns, std::byte* packed) {
  int32_t* sums = reinterpret_cast<int32_t*>(packed);
  b_type* to = reinterpret_cast<b_type*>(packed + panel * sizeof(int32_t));
  for (int n = 0; n < panel; ++n) sums[n] = 0;
  if ((k_stride == 1 && columns < panel) || K % k_step)
    std::memset(to, 0, static_cast<size_t>(padded_k(K) * panel) * sizeof(b_type));
  const Packing packing{B, k_stride, n_stride, K, columns, sums, to};
  if (k_stride == 1)
    pack_columns(packing);
  else
    pack_rows(packing);
}

ESPALIER_INLINE void pack_matrix(const int8_t* B, int64_t k_stride, int64_t n_stride, int64_t K,
                                 int64_t N, std::byte* packed) {
  for (int64_t n = 0; n < N; n += panel, packed += panel_bytes(K))
    pack_panel(B + n * n_stride, k_stride, n_stride, K,
               static_cast<int>(N - n < panel ? N - n : panel), packed);
}

// How a group of the left operand, in every lane, meets groups of the right one.
struct LeftIsStored {
  template <class Left>
  static ESPALIER_INLINE s32 meet(s32 sum, Left left, b_register right) {
    return dot(sum, left, right);
  }
};

// sum[r][i] += A B over padded K: `a` holds rows in their stored form, a_stride apart.
template <int Rows, class Meeting = LeftIsStored>
ESPALIER_INLINE void multiply_tile(const a_type* a, int64_t a_stride, const b_type* b, int64_t K,
                                   s32 (&sum)[Rows][tile_registers]) {
  for (int64_t k = 0; k < K; k += group, a += group, b += panel * group) {
    b_register right[tile_registers];
    ESPALIER_UNROLL_REGISTERS
    for (int i = 0; i < tile_registers; ++i) right[i] = load_b(b + i * b_values);
    ESPALIER_UNROLL_REGISTERS
    for (int r = 0; r < Rows; ++r) {
      const auto left = broadcast_group(a + r * a_stride);
      ESPALIER_UNROLL_REGISTERS
      for (int i = 0; i < tile_registers; ++i) sum[r][i] = Meeting::meet(sum[r][i], left, right[i]);
    }
  }
}

// The sums of a tile to rows `stride` apart.
template <int Rows>
ESPALIER_INLINE void store_sums(const s32 (&sum)[Rows][tile_registers], int32_t* to,
                                int64_t stride) {
  ESPALIER_UNROLL_REGISTERS
  for (int r = 0; r < Rows; ++r) ESPALIER_UNROLL_REGISTERS
  for (int i = 0; i < tile_registers; ++i) store(to + r * stride + i * s32_lanes, sum[r][i]);
}

}  // namespace espalier::ESPALIER_ISA
