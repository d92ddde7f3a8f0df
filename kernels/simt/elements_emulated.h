// Elements as tensor cores read them, for the emulator: the values of their bits.
#pragma once

#include <cstdint>
#include <cstring>

namespace espalier::simt {

template <class To, class From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// Sums of products of Value are exact, or nearly: 53 bits for products of at most 24.
struct Bf16Element {
  using Raw = uint16_t;
  using Value = double;
  using Sum = float;
  static Value value(Raw raw) { return double{bits_as<float>(uint32_t{raw} << 16)}; }
};
struct F16Element {
  using Raw = uint16_t;
  using Value = double;
  using Sum = float;
  static Value value(Raw raw) {
    const uint32_t sign = (raw & 0x8000u) << 16, exponent = raw >> 10 & 31, mantissa = raw & 1023;
    if (exponent == 0) return (sign ? -0x1p-24 : 0x1p-24) * mantissa;
    const uint32_t moved = exponent == 31 ? 255 : exponent + 127 - 15;
    return double{bits_as<float>(sign | moved << 23 | mantissa << 13)};
  }
};
struct Tf32Element {
  using Raw = uint32_t;
  using Value = double;
  using Sum = float;
  static Value value(Raw raw) { return double{bits_as<float>(raw & 0xffffe000u)}; }
};
struct S8Element {
  using Raw = int8_t;
  using Value = int32_t;
  using Sum = int32_t;
  static Value value(Raw raw) { return raw; }
};

// What becomes of a sum in a register, once, after all products: floats round, integers wrap.
inline float added(float to, double products) { return static_cast<float>(double{to} + products); }
inline int32_t added(int32_t to, int32_t products) {
  return static_cast<int32_t>(int64_t{to} + products);
}

}  // namespace espalier::simt
