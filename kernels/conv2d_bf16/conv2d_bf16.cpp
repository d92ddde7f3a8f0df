#include "kernels/conv2d_bf16/conv2d_bf16.h"

#include <algorithm>

#include "kernels/gemm_half/gemm_half.h"

namespace espalier {
namespace {

// Pixel by pixel: its patch, and the scalar product of that, which rounds it.
void run(const float* x, const float* packed_weight, const float* bias, float* y, float* scratch,
         const Conv2dShape& s) noexcept {
  const int64_t taps = s.kernel_width * s.in_channels;
  Gemm<float> g;
  g.M = 1, g.N = s.out_channels, g.K = s.depth();
  g.A = scratch, g.a_row_stride = g.K, g.a_k_stride = 1;
  g.packed_b = packed_weight, g.bias = bias;
  g.C = y, g.c_row_stride = g.N;
  for (int64_t i = 0; i < s.out_height(); ++i)
    for (int64_t j = 0; j < s.out_width(); ++j, g.C += g.N) {
      const float* corner = x + i * s.stride * s.row_size() + j * s.stride * s.in_channels;
      for (int64_t u = 0; u < s.kernel_height; ++u)
        std::copy_n(corner + u * s.row_size(), taps, scratch + u * taps);
      gemm_half_bf16_kernels().back().run(g);
    }
}

}  // namespace

int64_t conv2d_bf16_scratch(const Conv2dShape& s) noexcept {
  return std::max(s.in_size() / 2, s.depth());
}

std::span<const KernelRow<Conv2dBf16>> conv2d_bf16_kernels() noexcept {
  static constexpr KernelRow<Conv2dBf16> rows[] = {
      ESPALIER_IF_AVX512BF16({Isa::avx512bf16, avx512bf16::conv2d_bf16_run}, ){Isa::scalar, run}};
  return rows;
}

}  // namespace espalier
