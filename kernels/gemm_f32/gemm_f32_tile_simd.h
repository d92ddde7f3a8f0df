// The register tile that matrix products share: its size, and rows of C on their way in and out.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int tile_rows = hardware_lanes == 16 ? 12 : 6;
constexpr int panel = gemm_f32_panel(Isa::ESPALIER_ISA);
constexpr int tile_registers = panel / hardware_lanes;

ESPALIER_INLINE void load_row(const float* p, f32 (&row)[tile_registers]) {
  ESPALIER_UNROLL
  for (int i = 0; i < tile_registers; ++i) row[i] = f32::load_unaligned(p + i * hardware_lanes);
}

ESPALIER_INLINE void store_row(float* p, const f32 (&row)[tile_registers]) {
  ESPALIER_UNROLL
  for (int i = 0; i < tile_registers; ++i) row[i].store_unaligned(p + i * hardware_lanes);
}

// Where a panel's last columns do not exist, a tile works on whole rows of its own. Loading and
// storing parts inside every tile would double the code of each. What stays of a pruned layer is
// often one register of a panel of two, so that registers are copied whole where they can be.
struct WholeRows {
  alignas(64) float at[tile_rows * panel];
  alignas(64) float bias_row[panel];

  // As a tile starts: from the rows of C if it adds to them, from the bias if there is one.
  template <class RowOf>
  ESPALIER_INLINE WholeRows(const RowOf& row_of_c, int rows, int columns, bool accumulate,
                            const float* bias) {
    for (int r = 0; accumulate && r < rows; ++r) pad(row_of_c(r), at + r * panel, columns);
    if (bias) pad(bias, bias_row, columns);
  }
  template <class RowOf>
  ESPALIER_INLINE void store(const RowOf& row_of_c, int rows, int columns) const {
    for (int r = 0; r < rows; ++r) copy(at + r * panel, row_of_c(r), columns);
  }

 private:
  static ESPALIER_INLINE void copy(const float* from, float* to, int columns) {
    int i = 0;
    for (; i + hardware_lanes <= columns; i += hardware_lanes)
      f32::load_unaligned(from + i).store_unaligned(to + i);
    for (; i < columns; ++i) to[i] = from[i];
  }
  static ESPALIER_INLINE void pad(const float* from, float* to, int columns) {
    for (int i = 0; i < panel; i += hardware_lanes) f32(0.0f).store_unaligned(to + i);
    copy(from, to, columns);
  }
};

}  // namespace espalier::ESPALIER_ISA
