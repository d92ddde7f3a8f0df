// Values as codes would hold them, on sixteen lanes.
#pragma once

#include "kernels/fake_quantize/fake_quantize.h"
#include "kernels/simd_math.h"

namespace espalier::ESPALIER_ISA {

void fake_quantize_forward(const float* x, float* y, int64_t rows, int64_t width,
                           const CodeSteps<float>& s) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    const float scale = s.scale[(s.first + r) % s.scales];
    const f32x16 inverse = broadcast(1 / scale);
    blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 q = load(x + i, n) * inverse;
      const f32x16 limited = min(max(q, broadcast(s.low)), broadcast(s.high));
      store(y + i, round_to_integer(limited) * broadcast(scale), n);
    });
  }
}

void fake_quantize_backward(const float* x, const float* y, const float* dy, float* dx,
                            float* shares, int64_t rows, int64_t width,
                            const CodeSteps<float>& s) noexcept {
  const f32x16 zero = broadcast(0.0f), low = broadcast(s.low), high = broadcast(s.high);
  for (int64_t r = 0; r < rows; ++r, x += width, y += width, dy += width, dx += width) {
    const f32x16 inverse = broadcast(1 / s.scale[(s.first + r) % s.scales]);
    f32x16 sum = zero;
    blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 value = load(x + i, n), g = load(dy + i, n);
      // What is too large to be rounded so is outside too.
      const f32x16 code = round_to_integer(value * inverse);
      const mask16 outside = (code < low) | (code > high) | is_nan(code);
      const f32x16 slope = (load(y + i, n) - select(outside, zero, value)) * inverse;
      sum = fma(g, slope, sum);
      store(dx + i, select(outside, zero, g), n);
    });
    shares[r] = reduce_add(sum);
  }
}

}  // namespace espalier::ESPALIER_ISA
