// Sixteen columns at a time.
#pragma once

#include "kernels/linear_dynamic/linear_dynamic.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

ESPALIER_INLINE f32x16 as_floats(const int32_t* p) {
  f32x16 out;
  for (int i = 0; i < registers; ++i)
    out.part[i] = xsimd::to_float(i32::load_unaligned(p + i * hardware_lanes));
  return out;
}

void linear_dynamic_put(const int32_t* sums, const float* channel, float row, const float* bias,
                        bool accumulate, int64_t N, float* y) noexcept {
  blocks(N, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    f32x16 value = as_floats(sums + i) * load(channel + i, n) * broadcast(row);
    if (bias) value = value + load(bias + i, n);
    if (accumulate) value = load(y + i, n) + value;
    store(y + i, value, n);
  });
}

}  // namespace espalier::ESPALIER_ISA
