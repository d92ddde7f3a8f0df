// One register-tiled multiplication whose rows and depth are addressed in two levels: that is all
// it takes to read (or write) an image as its patches.
#pragma once

#include "kernels/conv2d/conv2d.h"
#include "kernels/gemm_f32/gemm_f32_tile_simd.h"
#include "kernels/simd_product.h"

namespace espalier::ESPALIER_ISA {

// Index i stands at (i / width) * outer + (i % width) * inner.
struct Walk {
  int64_t width, outer, inner;
};

// C[m, n] = (accumulate ? C[m, n] : bias[n] or 0) + sum_k A[m, k] B[k, n]; A[m, k] stands at
// a_rows(m) + depth(k), C[m, n] at c_rows(m) + n, and k runs over count * depth.width values.
struct PatchProduct {
  const float* a;
  Walk a_rows, depth;
  int64_t count;
  const float* packed_b;
  int64_t b_panel_stride;
  float* c;
  Walk c_rows;
  int64_t M, N;
  const float* bias;
  bool accumulate;
};

// Of rows that are dealt evenly no tile has fewer, unless there is but one: that repeats its last
// row.
constexpr int least_rows = tile_rows / 2;

struct PatchTile {
  const float* a[tile_rows];
  float* c[tile_rows];
  const float* b;
  const float* bias;
};

template <class Meeting, int Rows>
static void run_patch_tile(const PatchProduct& p, const PatchTile& t) noexcept {
  f32 sum[Rows][tile_registers];
  const float* a[Rows];
  ESPALIER_UNROLL
  for (int r = 0; r < Rows; ++r) {
    a[r] = t.a[r];
    ESPALIER_UNROLL
    for (int i = 0; i < tile_registers; ++i) sum[r][i] = f32(0.0f);
    if (p.accumulate)
      load_row(t.c[r], sum[r]);
    else if (t.bias)
      load_row(t.bias, sum[r]);
  }
  const float* b = t.b;
  for (int64_t outer = 0; outer < p.count; ++outer) {
    int64_t at = outer * p.depth.outer;
    for (int64_t k = 0; k < p.depth.width; ++k, at += p.depth.inner, b += panel) {
      f32 right[tile_registers];
      ESPALIER_UNROLL
      for (int i = 0; i < tile_registers; ++i)
        right[i] = f32::load_unaligned(b + i * hardware_lanes);
      ESPALIER_UNROLL
      for (int r = 0; r < Rows; ++r) {
        const f32 left(a[r][at]);
        ESPALIER_UNROLL
        for (int i = 0; i < tile_registers; ++i)
          sum[r][i] = Meeting::multiply_add(left, right[i], sum[r][i]);
      }
    }
  }
  ESPALIER_UNROLL
  for (int r = 0; r < Rows; ++r) store_row(t.c[r], sum[r]);
}

template <class Meeting>
ESPALIER_INLINE void run_whole_patch_tile(int rows, const PatchProduct& p, const PatchTile& t) {
  using Run = void(const PatchProduct&, const PatchTile&) noexcept;
  static constexpr Run* tiles[] = {
    run_patch_tile<Meeting, least_rows>,
    run_patch_tile<Meeting, least_rows + 1>,
    run_patch_tile<Meeting, least_rows + 2>,
    run_patch_tile<Meeting, least_rows + 3>,
#if defined(__AVX512F__)
    run_patch_tile<Meeting, least_rows + 4>,
    run_patch_tile<Meeting, least_rows + 5>,
    run_patch_tile<Meeting, least_rows + 6>,
#endif
  };
  static_assert(least_rows + sizeof(tiles) / sizeof(*tiles) == tile_rows + 1);
  tiles[rows - least_rows](p, t);
}

template <class Meeting>
ESPALIER_NOINLINE static void run_part_patch_tile(int rows, int columns, const PatchProduct& p,
                                                  const PatchTile& t) {
  const auto row_of_c = [&](int r) ESPALIER_INLINE_LAMBDA { return t.c[r]; };
  WholeRows whole(row_of_c, rows, columns, p.accumulate, t.bias);
  PatchTile in = t;
  for (int r = 0; r < rows; ++r) in.c[r] = whole.at + r * panel;
  if (t.bias) in.bias = whole.bias_row;
  run_whole_patch_tile<Meeting>(rows, p, in);
  whole.store(row_of_c, rows, columns);
}

// A Walk's place, kept without a division an index.
struct Cursor {
  int64_t column = 0, offset = 0;
  ESPALIER_INLINE int64_t next(const Walk& w) {
    const int64_t here = offset;
    offset += w.inner;
    if (++column == w.width) {
      column = 0;
      offset += w.outer - w.width * w.inner;
    }
    return here;
  }
};

// Rows are dealt evenly over the tiles, so that none is too small to hide the latency of fma.
template <class Meeting>
static void multiply_patches(const PatchProduct& p) noexcept {
  const int64_t tiles = (p.M + tile_rows - 1) / tile_rows;
  const int64_t base = p.M / tiles, longer = p.M % tiles;
  for (int64_t n = 0; n < p.N; n += panel) {
    PatchTile t;
    t.b = p.packed_b + n / panel * p.b_panel_stride;
    t.bias = p.bias ? p.bias + n : nullptr;
    const int columns = static_cast<int>(p.N - n < panel ? p.N - n : panel);
    Cursor a, c;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int rows = static_cast<int>(base + (tile < longer));
      const int in_tile = rows < least_rows ? least_rows : rows;
      for (int r = 0; r < rows; ++r) {
        t.a[r] = p.a + a.next(p.a_rows);
        t.c[r] = p.c + n + c.next(p.c_rows);
      }
      for (int r = rows; r < least_rows; ++r) t.a[r] = t.a[rows - 1], t.c[r] = t.c[rows - 1];
      if (columns == panel)
        run_whole_patch_tile<Meeting>(in_tile, p, t);
      else
        run_part_patch_tile<Meeting>(in_tile, columns, p, t);
    }
  }
}

// Where the windows of output pixels start, and where the elements of a window stand.
ESPALIER_INLINE Walk windows(const Conv2dShape& s) {
  return {s.out_width(), s.stride * s.row_size(), s.stride * s.in_channels};
}
ESPALIER_INLINE Walk window(const Conv2dShape& s) {
  return {s.kernel_width * s.in_channels, s.row_size(), 1};
}
ESPALIER_INLINE Walk matrix_rows(int64_t count, int64_t stride) { return {count, 0, stride}; }

// Y = P W. Channels of the shape are words, where the product's operands are.
template <class Meeting>
ESPALIER_INLINE void forward_patches(const float* x, const float* packed_weight, const float* bias,
                                     float* y, const Conv2dShape& s) {
  PatchProduct p;
  p.a_rows = windows(s);
  p.depth = window(s);
  p.b_panel_stride = s.depth() * panel;
  p.c = y;
  p.M = s.out_pixels();
  p.N = s.out_channels;
  p.c_rows = matrix_rows(p.M, p.N);
  p.bias = bias;
  // As many kernel rows at a time as leave the panel in half of a 32 KiB first-level cache.
  const int64_t fit = 4096 / panel / p.depth.width;
  const int64_t step = fit > 1 ? fit : 1;
  for (int64_t u = 0; u < s.kernel_height; u += step) {
    p.a = x + u * s.row_size();
    p.packed_b = packed_weight + u * p.depth.width * panel;
    p.count = s.kernel_height - u < step ? s.kernel_height - u : step;
    p.accumulate = u > 0;
    multiply_patches<Meeting>(p);
  }
}

}  // namespace espalier::ESPALIER_ISA
