#include "kernels/fake_quantize/fake_quantize.h"

#include <cmath>

namespace espalier {
namespace {

template <class T>
void fake_quantize_forward_scalar(const T* x, T* y, int64_t count, CodeSteps<T> s) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    const T q = x[i] * s.inverse;
    const T above = q > s.low ? q : s.low;
    // Adding zero makes a zero positive, as codes have only one.
    y[i] = (std::nearbyint(above < s.high ? above : s.high) + T(0)) * s.scale;
  }
}

template <class T>
T fake_quantize_backward_scalar(const T* x, const T* y, const T* dy, T* dx, int64_t count,
                                CodeSteps<T> s) noexcept {
  T sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const T q = x[i] * s.inverse, g = dy[i];
    const bool inside = q >= s.low - T(0.5) && q <= s.high + T(0.5);
    sum += g * ((y[i] - (inside ? x[i] : 0)) * s.inverse);
    dx[i] = inside ? g : 0;
  }
  return sum;
}

}  // namespace

template <>
std::span<const KernelRow<FakeQuantizeForward<float>>> fake_quantize_forward_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeForward<float>> rows[] = {
      ESPALIER_ISA_ROWS(fake_quantize_forward){Isa::scalar, fake_quantize_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<FakeQuantizeForward<double>>> fake_quantize_forward_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeForward<double>> rows[] = {
      {Isa::scalar, fake_quantize_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<FakeQuantizeBackward<float>>> fake_quantize_backward_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeBackward<float>> rows[] = {
      ESPALIER_ISA_ROWS(fake_quantize_backward){Isa::scalar, fake_quantize_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<FakeQuantizeBackward<double>>> fake_quantize_backward_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeBackward<double>> rows[] = {
      {Isa::scalar, fake_quantize_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
