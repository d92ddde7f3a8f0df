// One value of each kernel, as the scalar rows and a GPU compute it.
#pragma once

#include <cmath>

#include "kernels/fake_quantize/fake_quantize.h"

namespace espalier {

// `inverse` is 1 / scale.
template <class T>
ESPALIER_ANYWHERE T fake_quantized(T x, T scale, T inverse, const CodeSteps<T>& s) {
  const T q = x * inverse;
  const T above = q > s.low ? q : s.low;
  // Adding zero makes a zero positive, as codes have only one.
  return (std::nearbyint(above < s.high ? above : s.high) + T(0)) * scale;
}

// Adds what the value gives to its scale's gradient, and returns what passes to x.
template <class T>
ESPALIER_ANYWHERE T fake_quantize_slope(T x, T y, T dy, T inverse, const CodeSteps<T>& s,
                                        T& share) {
  const T code = std::nearbyint(x * inverse);
  const bool inside = code >= s.low && code <= s.high;
  share += dy * ((y - (inside ? x : T(0))) * inverse);
  return inside ? dy : T(0);
}

template <class T, class From>
ESPALIER_ANYWHERE T value_of_code(From code, T scale, int zero_point) {
  return static_cast<T>(code - zero_point) * scale;
}

}  // namespace espalier
