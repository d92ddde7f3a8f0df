// Products of one or two columns, such as the scores by which a model pools its tokens: of a whole
// panel all but these would be zeros. Here lanes are rows of A, whose columns are transposed on
// their way into registers; each sum stays the chain over k.
#pragma once

#include "kernels/gemm_f32/gemm_f32_tile_simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int narrow_columns = 2;

ESPALIER_INLINE bool is_narrow(const Gemm<float>& g) {
  return g.N <= narrow_columns && g.a_k_stride == 1 && g.M >= hardware_lanes;
}

// Both columns of `hardware_lanes` rows, those at `row`. Where N is 1 the second is zeros.
ESPALIER_INLINE void multiply_narrow(const Gemm<float>& g, const float* const* row,
                                     f32 (&sum)[narrow_columns]) {
  const auto add = [&](const f32& a, int64_t k) ESPALIER_INLINE_LAMBDA {
    for (int n = 0; n < narrow_columns; ++n)
      sum[n] = fma(a, f32(g.packed_b[k * panel + n]), sum[n]);
  };
  int64_t k = 0;
  for (; k + 4 <= g.K; k += 4) {
    f32 column[4];
    load_columns(row, k, column);
    for (int i = 0; i < 4; ++i) add(column[i], k + i);
  }
  for (; k < g.K; ++k) {
    float lanes[hardware_lanes];
    for (int l = 0; l < hardware_lanes; ++l) lanes[l] = row[l][k];
    add(f32::load_unaligned(lanes), k);
  }
}

ESPALIER_NOINLINE static void run_narrow(const Gemm<float>& g) {
  const int columns = static_cast<int>(g.N);
  for (int64_t m = 0; m < g.M; m += hardware_lanes) {
    const int rows = static_cast<int>(g.M - m < hardware_lanes ? g.M - m : hardware_lanes);
    const float* row[hardware_lanes];
    float lanes[narrow_columns][hardware_lanes] = {};
    for (int l = 0; l < hardware_lanes; ++l) {
      const int64_t at = m + (l < rows ? l : rows - 1);
      row[l] = g.A + at * g.a_row_stride;
      for (int n = 0; n < columns; ++n) {
        const float* c = g.C + at * g.c_row_stride + n;
        const float bias = g.bias ? g.bias[n] : 0.0f;
        lanes[n][l] = !g.accumulate ? bias : g.bias ? *c + bias : *c;
      }
    }
    f32 sum[narrow_columns];
    for (int n = 0; n < narrow_columns; ++n) sum[n] = f32::load_unaligned(lanes[n]);
    multiply_narrow(g, row, sum);
    for (int n = 0; n < narrow_columns; ++n) sum[n].store_unaligned(lanes[n]);
    for (int l = 0; l < rows; ++l)
      for (int n = 0; n < columns; ++n) g.C[(m + l) * g.c_row_stride + n] = lanes[n][l];
  }
}

}  // namespace espalier::ESPALIER_ISA
