// A square of a 16-bit value has up to 30 bits, so its halves are summed apart: each lane can take
// 32,768 of them.
#pragma once

#include "kernels/layer_norm_s8/layer_norm_s8.h"
#include "kernels/simd_s8.h"

namespace espalier::ESPALIER_ISA {

// The values that are left behind the last whole register, and zeros.
template <class T>
struct Rest {
  T values[s32_lanes] = {};
  ESPALIER_INLINE Rest(const T* p, int64_t count) {
    for (int64_t i = 0; i < count; ++i) values[i] = p[i];
  }
};

struct Moments {
  s32 sum = zero(), high = zero(), low = zero();

  ESPALIER_INLINE void take(const int16_t* x) {
    const s32 value = load_s16(x), square = multiply(value, value);
    sum = add(sum, value);
    high = add(high, shift_right<16>(square));
    low = add(low, bit_and(square, set1(0xffff)));
  }
};

struct Normalise {
  float rstd, shift;

  ESPALIER_INLINE void operator()(const int16_t* x, const float* gamma, const float* beta,
                                  int8_t* y) const {
    const f32v normalised = fma(to_float(load_s16(x)), set1(rstd), set1(shift));
    store_bytes(
        y, round_within(fma(normalised, load(gamma), load(beta)), set1(-128.0f), set1(127.0f)));
  }
};

void layer_norm_s8(const int16_t* x, const float* gamma, const float* beta, int8_t* y, int64_t rows,
                   int64_t width, float eps) noexcept {
  const int64_t whole = width / s32_lanes * s32_lanes, rest = width - whole;
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    Moments moments;
    for (int64_t i = 0; i < whole; i += s32_lanes) moments.take(x + i);
    const Rest<int16_t> last(x + whole, rest);
    moments.take(last.values);
    const int64_t sum = sum_of_lanes(moments.sum);
    const int64_t squares = sum_of_lanes(moments.high) * 65'536 + sum_of_lanes(moments.low);
    const int64_t variance = width * squares - sum * sum;
    const float rstd =
        1 / __builtin_sqrtf(static_cast<float>(variance) / static_cast<float>(width * width) + eps);
    const float shift = -(static_cast<float>(sum) / static_cast<float>(width)) * rstd;
    const Normalise normalise{rstd, shift};
    for (int64_t i = 0; i < whole; i += s32_lanes) normalise(x + i, gamma + i, beta + i, y + i);
    if (rest == 0) continue;
    int8_t codes[s32_lanes];
    normalise(last.values, Rest<float>(gamma + whole, rest).values,
              Rest<float>(beta + whole, rest).values, codes);
    for (int64_t i = 0; i < rest; ++i) y[whole + i] = codes[i];
  }
}

}  // namespace espalier::ESPALIER_ISA
