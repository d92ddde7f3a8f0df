// The operands of a convolution of NHWC images in 8-bit codes, which kernels/gemm_s8 then
// multiplies: in the terms of kernels/conv2d, rows of the patch matrix P of an image with its
// border.
//
// The same code serves every machine: bytes are copied in blocks of 16, which any processor moves
// at once, and what one block holds too much the next one overwrites.
#pragma once

#include "kernels/conv2d/conv2d.h"

namespace espalier {

// Bytes that a block may pass the end of a memory by.
constexpr int64_t conv2d_s8_slack = 15;

// Rows [first, last) of the bordered image that holds x, an image of shape.height - 2 * padding
// rows without its border, in which the code `border` stands.
void conv2d_s8_pad(const int8_t* x, int8_t* padded, int64_t padding, int8_t border, int64_t first,
                   int64_t last, const Conv2dShape& shape) noexcept;

// P of an image with its border, its rows `patch_stride` bytes apart; what lies between them takes
// any value. Contract: patch_stride >= depth(); both memories have conv2d_s8_slack bytes more,
// which may be read and written; no overlap, no alignment. To form fewer output rows, shift the
// pointer and use shape.with_out_height().
void conv2d_s8_patches(const int8_t* x, int8_t* patches, int64_t patch_stride,
                       const Conv2dShape& shape) noexcept;

// The same of `images` contiguous images without their border, at once, as a GPU takes them: no
// image with its border is formed. What lies between rows of P becomes 0. Only the named elements
// are read or written.
using Conv2dS8Unfold = void(const int8_t* x, int8_t* patches, int64_t patch_stride, int64_t images,
                            int64_t padding, int8_t border, const Conv2dShape& shape) noexcept;

// Rows of the table, best first.
std::span<const KernelRow<Conv2dS8Unfold>> conv2d_s8_unfold_kernels() noexcept;

ESPALIER_DECLARE_CUDA(Conv2dS8Unfold conv2d_s8_unfold;)

}  // namespace espalier
