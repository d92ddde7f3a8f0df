// Values as codes would hold them, on sixteen lanes.
#pragma once

#include "kernels/fake_quantize/fake_quantize.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

void fake_quantize_forward(const float* x, float* y, int64_t rows, int64_t width,
                           const CodeSteps<float>& s) noexcept {
  // From here on floats are whole numbers: adding it rounds to the nearest, ties to even.
  const f32x16 whole = broadcast(12'582'912.0f);
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    const float scale = s.scale[(s.first + r) % s.scales];
    const f32x16 inverse = broadcast(1 / scale);
    blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 q = load(x + i, n) * inverse;
      const f32x16 limited = min(max(q, broadcast(s.low)), broadcast(s.high));
      store(y + i, ((limited + whole) - whole) * broadcast(scale), n);
    });
  }
}

void fake_quantize_backward(const float* x, const float* y, const float* dy, float* dx,
                            float* shares, int64_t rows, int64_t width,
                            const CodeSteps<float>& s) noexcept {
  const f32x16 zero = broadcast(0.0f);
  const f32x16 low = broadcast(s.low - 0.5f), high = broadcast(s.high + 0.5f);
  for (int64_t r = 0; r < rows; ++r, x += width, y += width, dy += width, dx += width) {
    const f32x16 inverse = broadcast(1 / s.scale[(s.first + r) % s.scales]);
    f32x16 sum = zero;
    blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 value = load(x + i, n), g = load(dy + i, n), q = value * inverse;
      const mask16 outside = (q < low) | (q > high) | is_nan(q);
      const f32x16 slope = (load(y + i, n) - select(outside, zero, value)) * inverse;
      sum = fma(g, slope, sum);
      store(dx + i, select(outside, zero, g), n);
    });
    shares[r] = reduce_add(sum);
  }
}

}  // namespace espalier::ESPALIER_ISA
