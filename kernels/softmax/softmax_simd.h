// Softmax on sixteen lanes. The maximum and the sum run over lanes first and are folded by the
// fixed tree at the end; a tail is a load whose missing lanes hold the neutral element.
#pragma once

#include <limits>

#include "kernels/simd_math.h"
#include "kernels/softmax/softmax.h"

namespace espalier::ESPALIER_ISA {

void softmax_forward(const float* x, float* y, int64_t rows, int64_t width) noexcept {
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    f32x16 running = broadcast(lowest);
    blocks(width, [&](int64_t i, int n)
                      ESPALIER_INLINE_LAMBDA { running = max(load(x + i, n, lowest), running); });
    const f32x16 largest = broadcast(reduce_max(running));
    f32x16 sum = broadcast(0.0f);
    blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 e = exp(load(x + i, n, lowest) - largest);
      store(y + i, e, n);
      sum = sum + e;
    });
    const f32x16 total = broadcast(reduce_add(sum));
    blocks(width, [&](int64_t i, int n)
                      ESPALIER_INLINE_LAMBDA { store(y + i, load(y + i, n) / total, n); });
  }
}

void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows,
                      int64_t width) noexcept {
  for (int64_t r = 0; r < rows; ++r, y += width, dy += width, dx += width) {
    f32x16 sum = broadcast(0.0f);
    blocks(width, [&](int64_t i, int n)
                      ESPALIER_INLINE_LAMBDA { sum = fma(load(dy + i, n), load(y + i, n), sum); });
    const f32x16 dot = broadcast(reduce_add(sum));
    blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      store(dx + i, load(y + i, n) * (load(dy + i, n) - dot), n);
    });
  }
}

}  // namespace espalier::ESPALIER_ISA
