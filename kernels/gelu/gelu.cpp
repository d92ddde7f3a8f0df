#include "kernels/gelu/gelu.h"

#include <cmath>
#include <limits>

namespace espalier {
namespace {

template <class T>
struct Gelu {
  T y, slope;
};

// x Phi(x) and Phi(x) + x Phi'(x), from Phi and its derivative; the limits at infinity by name,
// since infinity times zero is NaN.
template <class T>
Gelu<T> gelu_from(T x, T phi, T density) {
  if (std::isinf(x)) return x > 0 ? Gelu<T>{x, T(1)} : Gelu<T>{T(0), T(0)};
  return {x * phi, phi + x * density};
}

template <class T>
Gelu<T> gelu_erf(T x) {
  const T sqrt_half = T(0.70710678118654752440), inverse_sqrt_tau = T(0.39894228040143267794);
  return gelu_from(x, T(0.5) * std::erfc(-x * sqrt_half),
                   inverse_sqrt_tau * std::exp(T(-0.5) * x * x));
}

template <class T>
Gelu<T> gelu_tanh(T x) {
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
Gelu<T> gelu_one(GeluKind kind, T x) {
  return kind == GeluKind::erf ? gelu_erf(x) : gelu_tanh(x);
}

template <class T>
void gelu_forward_scalar(GeluKind kind, const T* x, T* y, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) y[i] = gelu_one(kind, x[i]).y;
}

template <class T>
void gelu_training_scalar(GeluKind kind, const T* x, T* y, T* slope, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    const Gelu<T> g = gelu_one(kind, x[i]);
    y[i] = g.y;
    slope[i] = g.slope;
  }
}

template <class T>
void gelu_backward_scalar(const T* slope, const T* dy, T* dx, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) dx[i] = dy[i] * slope[i];
}

}  // namespace

template <>
std::span<const KernelRow<GeluForward<float>>> gelu_forward_kernels() noexcept {
  static constexpr KernelRow<GeluForward<float>> rows[] = {
      ESPALIER_ISA_ROWS(gelu_forward){Isa::scalar, gelu_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluForward<double>>> gelu_forward_kernels() noexcept {
  static constexpr KernelRow<GeluForward<double>> rows[] = {
      {Isa::scalar, gelu_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluTraining<float>>> gelu_training_kernels() noexcept {
  static constexpr KernelRow<GeluTraining<float>> rows[] = {
      ESPALIER_ISA_ROWS(gelu_training){Isa::scalar, gelu_training_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluTraining<double>>> gelu_training_kernels() noexcept {
  static constexpr KernelRow<GeluTraining<double>> rows[] = {
      {Isa::scalar, gelu_training_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluBackward<float>>> gelu_backward_kernels() noexcept {
  static constexpr KernelRow<GeluBackward<float>> rows[] = {
      ESPALIER_ISA_ROWS(gelu_backward){Isa::scalar, gelu_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluBackward<double>>> gelu_backward_kernels() noexcept {
  static constexpr KernelRow<GeluBackward<double>> rows[] = {
      {Isa::scalar, gelu_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
