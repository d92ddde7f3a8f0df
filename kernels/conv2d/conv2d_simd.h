// The three products of a convolution in fp32.
#pragma once

#include "kernels/conv2d/conv2d_patches_simd.h"

namespace espalier::ESPALIER_ISA {

void conv2d_forward(const float* x, const float* packed_weight, const float* bias, float* y,
                    const Conv2dShape& s) noexcept {
  forward_patches<Fused>(x, packed_weight, bias, y, s);
}

static void add_column_sums(const float* packed, int64_t K, int64_t N, float* sums) noexcept {
  for (int64_t n = 0; n < N; n += panel) {
    const int columns = static_cast<int>(N - n < panel ? N - n : panel);
    const auto row_of_sums = [&](int) ESPALIER_INLINE_LAMBDA { return sums + n; };
    WholeRows whole(row_of_sums, 1, columns, true, nullptr);
    f32 sum[tile_registers];
    load_row(whole.at, sum);
    for (int64_t k = 0; k < K; ++k, packed += panel)
      for (int i = 0; i < tile_registers; ++i)
        sum[i] = sum[i] + f32::load_unaligned(packed + i * hardware_lanes);
    store_row(whole.at, sum);
    whole.store(row_of_sums, 1, columns);
  }
}

void conv2d_weight_gradient(const float* x, const float* packed_dy, float* dweight_t, float* dbias,
                            const Conv2dShape& s) noexcept {
  PatchProduct p;
  p.a = x;
  p.a_rows = window(s);
  p.depth = windows(s);
  p.count = s.out_height();
  p.packed_b = packed_dy;
  p.b_panel_stride = s.out_pixels() * panel;
  p.c = dweight_t;
  p.M = s.depth();
  p.N = s.out_channels;
  p.c_rows = matrix_rows(p.M, p.N);
  p.bias = nullptr;
  p.accumulate = true;
  multiply_patches<Fused>(p);
  if (dbias) add_column_sums(packed_dy, s.out_pixels(), s.out_channels, dbias);
}

void conv2d_input_gradient(const float* dy, const float* packed_taps, float* dx,
                           const Conv2dShape& s) noexcept {
  PatchProduct p;
  p.a = dy;
  p.M = s.out_pixels();
  p.N = s.in_channels;
  p.a_rows = matrix_rows(p.M, s.out_channels);
  p.depth = {s.out_channels, 0, 1};
  p.count = 1;
  p.b_panel_stride = s.out_channels * panel;
  p.c_rows = windows(s);
  p.bias = nullptr;
  p.accumulate = true;
  const int64_t tap_size = gemm_packed_size(panel, s.out_channels, s.in_channels);
  for (int64_t u = 0; u < s.kernel_height; ++u)
    for (int64_t v = 0; v < s.kernel_width; ++v, packed_taps += tap_size) {
      p.packed_b = packed_taps;
      p.c = dx + u * s.row_size() + v * s.in_channels;
      multiply_patches<Fused>(p);
    }
}

}  // namespace espalier::ESPALIER_ISA
