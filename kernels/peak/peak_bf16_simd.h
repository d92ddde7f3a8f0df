// The chains of bf16 products, by the instruction of kernels/simd_product.h.
#pragma once

#include <cstring>

#include "kernels/peak/peak_f32_chains_simd.h"
#include "kernels/simd_product.h"

namespace espalier::ESPALIER_ISA {

// In every lane a word that holds a value of bf16 twice.
ESPALIER_INLINE f32 word_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits |= bits >> 16;
  std::memcpy(&x, &bits, sizeof bits);
  return f32(x);
}

int64_t peak_bf16(float factor, int64_t steps, float* sink) noexcept {
  const f32 left = word_of(factor), right = word_of(1);
  return run_f32_chains(steps, 4, sink, [&](f32 chain) ESPALIER_INLINE_LAMBDA {
    return f32(WordProduct::multiply_add(left, right, chain));
  });
}

}  // namespace espalier::ESPALIER_ISA
