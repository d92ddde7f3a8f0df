// An image of words of two bf16 is one of half as many channels.
#pragma once

#include "kernels/conv2d/conv2d_patches_simd.h"
#include "kernels/conv2d_bf16/conv2d_bf16.h"
#include "kernels/gemm_bf16/gemm_bf16_words_simd.h"

namespace espalier::ESPALIER_ISA {

void conv2d_bf16_run(const float* x, const float* packed_weight, const float* bias, float* y,
                     float* scratch, const Conv2dShape& shape) noexcept {
  round_row(x, shape.in_size(), scratch);
  Conv2dShape words = shape;
  words.in_channels = words_in(shape.in_channels);
  forward_patches<WordProduct>(scratch, packed_weight, bias, y, words);
}

}  // namespace espalier::ESPALIER_ISA
