// One register at a time; the last, short one goes by way of memory that holds all of its lanes.
#pragma once

#include "kernels/quantize/quantize.h"
#include "kernels/simd_s8.h"

namespace espalier::ESPALIER_ISA {

// Calls f(from, to) for each register's worth of `count` elements.
template <class From, class To, class F>
ESPALIER_INLINE void each_register(const From* x, To* y, int64_t count, F f) {
  int64_t i = 0;
  for (; i + s32_lanes <= count; i += s32_lanes) f(x + i, y + i);
  if (i == count) return;
  From from[s32_lanes] = {};
  To to[s32_lanes];
  for (int64_t j = i; j < count; ++j) from[j - i] = x[j];
  f(from, to);
  for (int64_t j = i; j < count; ++j) y[j] = to[j - i];
}

ESPALIER_INLINE s32 load_integers(const int8_t* p) { return load_s8(p); }
ESPALIER_INLINE s32 load_integers(const int16_t* p) { return load_s16(p); }
ESPALIER_INLINE void store_integers(int8_t* p, s32 x) { store_bytes(p, x); }
ESPALIER_INLINE void store_integers(int16_t* p, s32 x) { store_s16(p, x); }

template <class To>
ESPALIER_INLINE void quantize(const float* x, To* y, int64_t count, float inverse_scale,
                              int zero_point) {
  constexpr int half = sizeof(To) == 1 ? 128 : 32'768;
  const f32v low = set1(static_cast<float>(-half - zero_point));
  const f32v high = set1(static_cast<float>(half - 1 - zero_point));
  each_register(
      x, y, count, [&](const float* from, To* to) __attribute__((always_inline)) {
        const s32 rounded = round_within(mul(load(from), set1(inverse_scale)), low, high);
        store_integers(to, add(rounded, set1(zero_point)));
      });
}

template <class From>
ESPALIER_INLINE void dequantize(const From* x, float* y, int64_t count, float scale,
                                int zero_point) {
  each_register(
      x, y, count, [&](const From* from, float* to) __attribute__((always_inline)) {
        store(to, mul(to_float(sub(load_integers(from), set1(zero_point))), set1(scale)));
      });
}

void quantize_s8(const float* x, int8_t* y, int64_t count, float inverse_scale,
                 int zero_point) noexcept {
  quantize(x, y, count, inverse_scale, zero_point);
}
void quantize_s16(const float* x, int16_t* y, int64_t count, float inverse_scale,
                  int zero_point) noexcept {
  quantize(x, y, count, inverse_scale, zero_point);
}
void dequantize_s8(const int8_t* x, float* y, int64_t count, float scale, int zero_point) noexcept {
  dequantize(x, y, count, scale, zero_point);
}
void dequantize_s16(const int16_t* x, float* y, int64_t count, float scale,
                    int zero_point) noexcept {
  dequantize(x, y, count, scale, zero_point);
}

}  // namespace espalier::ESPALIER_ISA
