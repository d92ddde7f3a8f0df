// Dropping on sixteen lanes.
#pragma once

#include "kernels/dropout/dropout.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

void dropout_elements(const float* x, const uint8_t* keep, float scale, float* y,
                      int64_t count) noexcept {
  const f32x16 zero = broadcast(0.0f), factor = broadcast(scale);
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f32x16 kept = load(x + i, n) * factor;
    store(y + i, select(load_u8(keep + i, n) == zero, zero, kept), n);
  });
}

void dropout_rows(const float* x, const uint8_t* keep, float scale, float* y, int64_t rows,
                  int64_t width) noexcept {
  const f32x16 zero = broadcast(0.0f), factor = broadcast(scale);
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    if (keep[r])
      blocks(width, [&](int64_t i, int n)
                        ESPALIER_INLINE_LAMBDA { store(y + i, load(x + i, n) * factor, n); });
    else
      blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA { store(y + i, zero, n); });
  }
}

}  // namespace espalier::ESPALIER_ISA
