// The sum of squares on sixteen lanes of doubles; missing lanes of a tail add zero.
#pragma once

#include "kernels/grad_norm/grad_norm.h"
#include "kernels/simd_f64.h"

namespace espalier::ESPALIER_ISA {

double sum_of_squares(const float* x, int64_t count) noexcept {
  f64x16 sum = broadcast_f64(0.0);
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f64x16 value = widen(load(x + i, n));
    sum = sum + value * value;
  });
  return reduce_add(sum);
}

}  // namespace espalier::ESPALIER_ISA
