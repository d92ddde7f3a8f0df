// The sum of squares on sixteen lanes of doubles; missing lanes of a tail add zero.
#pragma once

#include "kernels/grad_norm/grad_norm.h"
#include "kernels/simd_f64.h"

namespace espalier::ESPALIER_ISA {

ESPALIER_INLINE double sum_of_block(const float* x, int64_t count) {
  f64x16 sum = broadcast_f64(0.0);
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f64x16 value = widen(load(x + i, n));
    sum = sum + value * value;
  });
  return reduce_add(sum);
}

void sums_of_squares(const float* x, int64_t count, double* sums) noexcept {
  for (int64_t i = 0; i < count; i += grad_norm_block)
    *sums++ = sum_of_block(x + i, count - i < grad_norm_block ? count - i : grad_norm_block);
}

}  // namespace espalier::ESPALIER_ISA
