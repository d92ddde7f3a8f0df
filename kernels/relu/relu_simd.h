// The rectified linear unit on sixteen lanes.
#pragma once

#include "kernels/relu/relu.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

void relu_forward(const float* x, float* y, int64_t count) noexcept {
  const f32x16 zero = broadcast(0.0f);
  blocks(count, [&](int64_t i, int n)
                    ESPALIER_INLINE_LAMBDA { store(y + i, max(zero, load(x + i, n)), n); });
}

void relu_backward(const float* y, const float* dy, float* dx, int64_t count) noexcept {
  const f32x16 zero = broadcast(0.0f);
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    store(dx + i, select(load(y + i, n) > zero, load(dy + i, n), zero), n);
  });
}

}  // namespace espalier::ESPALIER_ISA
