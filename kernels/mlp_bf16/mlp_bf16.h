// The MLP of a transformer in bf16: two products with fp32 sums and GELU between them, of which the
// hidden activation never leaves the cache.
//
//   h[m, j] = gelu(sum_k bf16(x[m, k]) * bf16(up[k, j]) + up_bias[j]),    0 <= j < H
//   y[m, n] = start + sum_j bf16(h[m, j]) * bf16(down[j, n]),             0 <= m < M, 0 <= n < N
//   start   = (accumulate ? y[m, n] : 0) + down_bias[n]
//
// bf16() rounds to nearest even. Weights come packed by the row of kernels/gemm_half's table for
// bf16 of the same instruction set, and sums are taken as that row takes them. gelu(v) is
// v Phi(v), the erf form of kernels/gelu, within mlp_bf16_gelu_error * |v|, a sixteenth of what
// rounding v to bf16 may cost:
//
//   gelu(v) = max(v, -4) * (1/2 + c P(c^2)),   c = v between -4 and 4,   P of degree 7,
//
// so that gelu(+inf) = +inf, and gelu(-inf) = gelu(-4), which is within 10^-6 of 0. NaN gives NaN.
// The scalar row takes Phi exactly. Bits depend neither on M nor on how rows are split.
//
// Contract: M, K, H, N >= 0. Either bias may be absent. Rows of x and of y are K and N consecutive
// values. `scratch` has mlp_bf16_scratch(K, H) floats of the caller's. y overlaps no other operand.
// No alignment is assumed; panels and scratch run best on a 64-byte boundary.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {

struct MlpBf16 {
  int64_t M = 0, K = 0, H = 0, N = 0;
  const float* x = nullptr;
  int64_t x_row_stride = 0;
  const float* packed_up = nullptr;  // K x H
  const float* up_bias = nullptr;
  const float* packed_down = nullptr;  // H x N
  const float* down_bias = nullptr;
  float* y = nullptr;
  int64_t y_row_stride = 0;
  bool accumulate = false;
  float* scratch = nullptr;
};

using MlpBf16Run = void(const MlpBf16& mlp) noexcept;

constexpr double mlp_bf16_gelu_error = 0x1p-12;

// Rows that a call takes at once.
constexpr int64_t mlp_bf16_block = 6 * 16;

// One word of 32 bits holds two values, of whole tiles of 32.
constexpr int64_t mlp_bf16_scratch(int64_t K, int64_t H) noexcept {
  return mlp_bf16_block * 16 * ((K + 31) / 32 + (H + 31) / 32);
}

// Rows of the table, best first. Instruction sets without one are served better by the two products
// and GELU on their own.
std::span<const KernelRow<MlpBf16Run>> mlp_bf16_kernels() noexcept;

ESPALIER_IF_AMX(namespace amx { MlpBf16Run mlp_bf16_run; })
ESPALIER_IF_AVX512BF16(namespace avx512bf16 { MlpBf16Run mlp_bf16_run; })

}  // namespace espalier
