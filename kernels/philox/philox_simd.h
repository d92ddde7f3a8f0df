// Philox on sixteen lanes, each working one block: lane i of word j is element 16 j + i of a group,
// so whole groups are stored without a shuffle. A range's ragged ends go through a group on the
// stack.
#pragma once

#include "kernels/philox/philox.h"
#include "kernels/philox/philox_polynomials.h"
#include "kernels/simd_u32.h"

namespace espalier::ESPALIER_ISA {

struct Words {
  u32x16 word[4];
};

// The words of blocks 16 g .. 16 g + 15.
ESPALIER_INLINE Words group_words(PhiloxKey key, uint64_t g) {
  static constexpr uint32_t lane[logical_lanes] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                   8, 9, 10, 11, 12, 13, 14, 15};
  const uint64_t b = g * logical_lanes;
  Words c = {{load_u32(lane) + broadcast_u32(static_cast<uint32_t>(b)),
              broadcast_u32(static_cast<uint32_t>(b >> 32)),
              broadcast_u32(static_cast<uint32_t>(key.stream)),
              broadcast_u32(static_cast<uint32_t>(key.stream >> 32))}};
  auto key0 = static_cast<uint32_t>(key.seed), key1 = static_cast<uint32_t>(key.seed >> 32);
  for (int round = 0; round < philox_rounds; ++round) {
    const HighLow p0 = multiply_wide(c.word[0], philox_multiplier[0]);
    const HighLow p1 = multiply_wide(c.word[2], philox_multiplier[1]);
    c = {{p1.high ^ c.word[1] ^ broadcast_u32(key0), p1.low,
          p0.high ^ c.word[3] ^ broadcast_u32(key1), p0.low}};
    key0 += philox_weyl[0];
    key1 += philox_weyl[1];
  }
  return c;
}

// Calls make(words, place) for each group of the range, where place holds 64 elements.
template <class T, class Make>
ESPALIER_INLINE void for_each_group(PhiloxKey key, uint64_t offset, T* out, int64_t count,
                                    Make make) {
  while (count > 0) {
    const auto first = static_cast<int64_t>(offset % philox_group);
    const int64_t size = count < philox_group - first ? count : philox_group - first;
    const Words words = group_words(key, offset / philox_group);
    if (size == philox_group) {
      make(words, out);
    } else {
      T group[philox_group];
      make(words, group);
      for (int64_t i = 0; i < size; ++i) out[i] = group[first + i];
    }
    offset += static_cast<uint64_t>(size);
    out += size;
    count -= size;
  }
}

template <size_t N>
ESPALIER_INLINE f32x16 polynomial(const float (&coefficients)[N], const f32x16& x) {
  f32x16 p = broadcast(coefficients[0]);
  for (size_t i = 1; i < N; ++i) p = fma(p, x, broadcast(coefficients[i]));
  return p;
}

// ln x for normal x > 0: operation for operation the scalar row's.
ESPALIER_INLINE f32x16 natural_log(const f32x16& x) {
  const u32x16 bits = float_to_bits(x);
  const u32x16 exponent = shift_right_signed(bits - broadcast_u32(sqrt_half_bits), 23);
  const f32x16 n = signed_to_float(exponent);
  const f32x16 f = bits_to_float(bits - (exponent << 23)) - broadcast(1.0f), square = f * f;
  f32x16 small = polynomial(log_coefficients, f) * (f * square);
  small = fma(n, broadcast(log_two_low), small);
  small = fma(square, broadcast(-0.5f), small);
  return fma(n, broadcast(log_two_high), f + small);
}

struct CosSin {
  f32x16 cos, sin;
};

ESPALIER_INLINE CosSin cos_sin(const u32x16& w) {
  const u32x16 quarter = (w + broadcast_u32(1u << 29)) >> 30;
  const f32x16 x = signed_to_float(w - (quarter << 30)) * broadcast(radians_per_count);
  const f32x16 square = x * x;
  const f32x16 s = fma(polynomial(sin_coefficients, square), square * x, x);
  const f32x16 c = fma(polynomial(cos_coefficients, square), square * square,
                       fma(square, broadcast(-0.5f), broadcast(1.0f)));
  const u32x16 one = broadcast_u32(1), two = broadcast_u32(2);
  const u32x16 swapped =
      (float_to_bits(s) ^ float_to_bits(c)) & (broadcast_u32(0) - (quarter & one));
  const u32x16 cos = float_to_bits(c) ^ swapped ^ (((quarter + one) & two) << 30);
  const u32x16 sin = float_to_bits(s) ^ swapped ^ ((quarter & two) << 30);
  return {bits_to_float(cos), bits_to_float(sin)};
}

void philox_u32(PhiloxKey key, uint64_t offset, uint32_t* out, int64_t count) noexcept {
  for_each_group(key, offset, out, count,
                 [](const Words& words, uint32_t* to) ESPALIER_INLINE_LAMBDA {
                   for (int i = 0; i < 4; ++i) store(to + 16 * i, words.word[i]);
                 });
}

void philox_uniform(PhiloxKey key, uint64_t offset, float* out, int64_t count) noexcept {
  for_each_group(key, offset, out, count, [](const Words& words, float* to) ESPALIER_INLINE_LAMBDA {
    for (int i = 0; i < 4; ++i)
      store(to + 16 * i, signed_to_float(words.word[i] >> 8) * broadcast(0x1p-24f));
  });
}

void philox_normal(PhiloxKey key, uint64_t offset, float* out, int64_t count) noexcept {
  for_each_group(key, offset, out, count, [](const Words& words, float* to) ESPALIER_INLINE_LAMBDA {
    for (int i = 0; i < 4; i += 2) {
      const f32x16 u =
          fma(unsigned_to_float(words.word[i]), broadcast(0x1p-32f), broadcast(0x1p-33f));
      const f32x16 radius = sqrt(broadcast(-2.0f) * natural_log(u));
      const CosSin direction = cos_sin(words.word[i + 1]);
      store(to + 16 * i, radius * direction.cos);
      store(to + 16 * i + 16, radius * direction.sin);
    }
  });
}

void philox_keep(PhiloxKey key, uint64_t offset, uint32_t threshold, uint8_t* out,
                 int64_t count) noexcept {
  for_each_group(key, offset, out, count,
                 [threshold](const Words& words, uint8_t* to) ESPALIER_INLINE_LAMBDA {
                   for (int i = 0; i < 4; ++i)
                     store_bytes(to + 16 * i, at_least(words.word[i], threshold));
                 });
}

}  // namespace espalier::ESPALIER_ISA
