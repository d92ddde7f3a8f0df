// Sixteen columns at a time; of 4-bit codes two rows of them from the same bytes.
#pragma once

#include "kernels/linear_wq/linear_wq.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

ESPALIER_INLINE void widen_lanes(const uint8_t* codes, const f32x16& middle, const float* scales,
                                 float* to) {
  store(to, (load_u8(codes) - middle) * load(scales));
}

void linear_wq_widen(int bits, const uint8_t* codes, const float* scales, int64_t K, int64_t width,
                     float* to) noexcept {
  typedef uint8_t Bytes __attribute__((vector_size(logical_lanes)));
  const f32x16 middle = broadcast(static_cast<float>(linear_wq_middle(bits)));
  if (bits == 8) {
    for (int64_t k = 0; k < K; ++k)
      for (int64_t n = 0; n < width; n += logical_lanes) {
        widen_lanes(codes, middle, scales + n, to);
        codes += logical_lanes, to += logical_lanes;
      }
    return;
  }
  for (int64_t k = 0; k < K; k += 2, to += 2 * width)
    for (int64_t n = 0; n < width; n += logical_lanes, codes += logical_lanes) {
      Bytes both;
      __builtin_memcpy(&both, codes, sizeof both);
      const Bytes low = both & 15, high = both >> 4;
      uint8_t bytes[logical_lanes];
      __builtin_memcpy(bytes, &low, sizeof bytes);
      widen_lanes(bytes, middle, scales + n, to + n);
      __builtin_memcpy(bytes, &high, sizeof bytes);
      if (k + 1 < K) widen_lanes(bytes, middle, scales + n, to + width + n);
    }
}

}  // namespace espalier::ESPALIER_ISA
