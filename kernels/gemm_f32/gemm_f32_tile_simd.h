// The register tile that matrix products share: its size, and rows of C on their way in and out.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int tile_rows = hardware_lanes == 16 ? 12 : 6;
constexpr int panel = gemm_f32_panel(Isa::ESPALIER_ISA);
constexpr int tile_registers = panel / hardware_lanes;

ESPALIER_INLINE void load_row(const float* p, int columns, f32 (&row)[tile_registers]) {
  ESPALIER_UNROLL
  for (int i = 0; i < tile_registers; ++i)
    row[i] = columns == panel ? f32::load_unaligned(p + i * hardware_lanes)
                              : load_part(p + i * hardware_lanes, lanes_in(i, columns));
}

ESPALIER_INLINE void store_row(float* p, int columns, const f32 (&row)[tile_registers]) {
  ESPALIER_UNROLL
  for (int i = 0; i < tile_registers; ++i)
    if (columns == panel)
      row[i].store_unaligned(p + i * hardware_lanes);
    else
      store_part(p + i * hardware_lanes, row[i], lanes_in(i, columns));
}

}  // namespace espalier::ESPALIER_ISA
