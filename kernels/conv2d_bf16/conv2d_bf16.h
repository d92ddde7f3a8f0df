// The forward convolution of kernels/conv2d whose product takes bf16 and sums in fp32.
//
//   y[i, j, o] = bias[o] + sum_{u, v, c} bf16(x[i*stride + u, j*stride + v, c]) * w[o, u, v, c]
//   w = bf16(weight)
//
// bf16() rounds to nearest even. The weight comes packed by the row of kernels/gemm_half's table
// for bf16 of the same instruction set, as W[(u, v, c), o], K = depth(), N = out_channels, and the
// bits are those that this row gives on the patch matrix P: each image is rounded once, P never
// formed.
//
// Contract: as kernels/conv2d, and in_channels is even, so that the words of two values that
// instructions take lie in one pixel. `bias` may be null. `scratch` has conv2d_bf16_scratch(shape)
// floats of the caller's.
#pragma once

#include "kernels/conv2d/conv2d.h"

namespace espalier {

using Conv2dBf16 = void(const float* x, const float* packed_weight, const float* bias, float* y,
                        float* scratch, const Conv2dShape& shape) noexcept;

// Floats of scratch that any row of the table may write.
int64_t conv2d_bf16_scratch(const Conv2dShape& shape) noexcept;

// Rows of the table, best first. Instruction sets without one are served better by the fp32 row.
std::span<const KernelRow<Conv2dBf16>> conv2d_bf16_kernels() noexcept;

ESPALIER_IF_AVX512BF16(namespace avx512bf16 { Conv2dBf16 conv2d_bf16_run; })

}  // namespace espalier
