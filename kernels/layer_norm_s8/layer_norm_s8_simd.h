// Squares of 16-bit values are added in pairs, which 32 bits hold without a sign; halves of those
// sums are summed apart. A row of the widest then has no sum that leaves 32 bits.
#pragma once

#include "kernels/layer_norm_s8/layer_norm_s8.h"
#include "kernels/simd_s8.h"

namespace espalier::ESPALIER_ISA {

constexpr int at_once = 2 * s32_lanes;

// The values that are left behind the last whole piece, and zeros.
template <class T>
struct Rest {
  alignas(64) T values[at_once];
  ESPALIER_INLINE Rest(const T* p, int64_t count) {
    copy_padded<sizeof values>(values, p, count * int64_t{sizeof(T)});
  }
};

struct Moments {
  s32 sum = zero(), high = zero(), low = zero();

  ESPALIER_INLINE void take(const int16_t* x) {
    const SumsOfPairs pairs(x);
    sum = add(sum, pairs.sum);
    high = add(high, shift_right<16>(pairs.square));
    low = add(low, bit_and(pairs.square, set1(0xffff)));
  }
};

struct Normalise {
  float rstd, shift;

  ESPALIER_INLINE s32 codes(const int16_t* x, const float* gamma, const float* beta) const {
    const f32v normalised = fma(to_float(load_s16(x)), set1(rstd), set1(shift));
    return rounded(fma(normalised, load(gamma), load(beta)));
  }
  ESPALIER_INLINE void operator()(const int16_t* x, const float* gamma, const float* beta,
                                  int8_t* y) const {
    const s32 second = codes(x + s32_lanes, gamma + s32_lanes, beta + s32_lanes);
    store_codes(y, codes(x, gamma, beta), second, 0);
  }
};

void layer_norm_s8(const int16_t* x, const float* gamma, const float* beta, int8_t* y, int64_t rows,
                   int64_t width, float eps) noexcept {
  const int64_t whole = width / at_once * at_once, rest = width - whole;
  const Rest<float> last_gamma(gamma + whole, rest), last_beta(beta + whole, rest);
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    Moments moments;
    for (int64_t i = 0; i < whole; i += at_once) moments.take(x + i);
    const Rest<int16_t> last(x + whole, rest);
    if (rest) moments.take(last.values);
    const int64_t sum = small_sum_of_lanes(moments.sum);
    const int64_t squares =
        int64_t{small_sum_of_lanes(moments.high)} * 65'536 + small_sum_of_lanes(moments.low);
    const int64_t variance = width * squares - sum * sum;
    const float rstd =
        1 / __builtin_sqrtf(static_cast<float>(variance) / static_cast<float>(width * width) + eps);
    const float shift = -(static_cast<float>(sum) / static_cast<float>(width)) * rstd;
    const Normalise normalise{rstd, shift};
    for (int64_t i = 0; i < whole; i += at_once) normalise(x + i, gamma + i, beta + i, y + i);
    if (rest == 0) continue;
    alignas(64) int8_t codes[at_once];
    normalise(last.values, last_gamma.values, last_beta.values, codes);
    copy_part<at_once>(y + whole, codes, rest);
  }
}

}  // namespace espalier::ESPALIER_ISA
