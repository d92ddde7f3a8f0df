// GELU of one value with its slope, as the scalar rows and a GPU compute them.
#pragma once

#include <cmath>

#include "kernels/gelu/gelu.h"

namespace espalier {

template <class T>
struct Gelu {
  T y, slope;
};

// x Phi(x) and Phi(x) + x Phi'(x), from Phi and its derivative; the limits at infinity by name,
// since infinity times zero is NaN.
template <class T>
ESPALIER_ANYWHERE Gelu<T> gelu_from(T x, T phi, T density) {
  if (std::isinf(x)) return x > 0 ? Gelu<T>{x, T(1)} : Gelu<T>{T(0), T(0)};
  return {x * phi, phi + x * density};
}

template <class T>
ESPALIER_ANYWHERE Gelu<T> gelu_erf(T x) {
  const T sqrt_half = T(0.70710678118654752440), inverse_sqrt_tau = T(0.39894228040143267794);
  return gelu_from(x, T(0.5) * std::erfc(-x * sqrt_half),
                   inverse_sqrt_tau * std::exp(T(-0.5) * x * x));
}

template <class T>
ESPALIER_ANYWHERE Gelu<T> gelu_tanh(T x) {
  const T scale = T(1.59576912160573071176);  // 2 sqrt(2 / pi): (1 + tanh u) / 2 = 1 / (1 + e^-2u)
  const T cubic = T(0.044715);
  const T decay = std::exp(-scale * (std::abs(x) + cubic * std::abs(x) * x * x));
  const T upper = 1 / (1 + decay);
  // Past |x| = 1e5 the exponential is long 0, and the square of x could overflow.
  const T steepness = scale * (1 + 3 * cubic * x * x);
  const T density = decay > 0 ? upper * upper * decay * steepness : decay;
  return gelu_from(x, x < 0 ? decay * upper : upper, density);
}

template <class T>
ESPALIER_ANYWHERE Gelu<T> gelu_one(GeluKind kind, T x) {
  return kind == GeluKind::erf ? gelu_erf(x) : gelu_tanh(x);
}

}  // namespace espalier
