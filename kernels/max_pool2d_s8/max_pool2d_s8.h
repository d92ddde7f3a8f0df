// Max pooling of NHWC images of 8-bit codes over square windows: a larger code stands for a larger
// number, so that the maximum of codes is the code of the maximum.
//
//   y[b, i, j, c] = max over taps (u, v) of x[b, i*stride - padding + u, j*stride - padding + v, c]
//
// Contract: `images` contiguous images of `shape`, which is as kernels/max_pool2d wants it. A
// window never takes a code from the padding. No overlap; no alignment is assumed.
#pragma once

#include "kernels/max_pool2d/max_pool2d.h"

namespace espalier {

using MaxPool2dS8 = void(const int8_t* x, int8_t* y, int64_t images,
                         const MaxPool2dShape& shape) noexcept;

// Rows of the table, best first. Half a register of AVX-512 holds 32 channels: it has no row.
std::span<const KernelRow<MaxPool2dS8>> max_pool2d_s8_kernels() noexcept;

ESPALIER_IF_AVX2(namespace avx2 { MaxPool2dS8 max_pool2d_s8; })
ESPALIER_IF_NEON(namespace neon { MaxPool2dS8 max_pool2d_s8; })
ESPALIER_DECLARE_CUDA(MaxPool2dS8 max_pool2d_s8;)

}  // namespace espalier
