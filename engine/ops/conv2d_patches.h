// Convolution by way of patch matrices (im2col; Chellapilla et al., 2006), for a precision whose
// kernels multiply matrices only. In the terms of kernels/conv2d/conv2d.h, each image's P is
// formed.
#pragma once

#include "engine/ops/convolution.h"
#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {

// Products run on `row`. x is [B, H, W, C], weight [O, kh, kw, C], both contiguous and f32, y and
// dy are [B, out_height, out_width, O]; `bias` holds O values or is null. Images are dealt to
// threads.
void conv2d_by_patches(const GemmKernel<float>& row, const Convolution& c, const float* x,
                       const float* weight, const float* bias, float* y);
void conv2d_input_gradient_by_patches(const GemmKernel<float>& row, const Convolution& c,
                                      const float* dy, const float* weight, float* dx);
// The weight's gradient, in its own order, from images [begin, end), at least one. On this thread.
void conv2d_weight_gradient_by_patches(const GemmKernel<float>& row, const Convolution& c,
                                       const float* x, const float* dy, int64_t begin, int64_t end,
                                       float* dweight);

}  // namespace espalier
