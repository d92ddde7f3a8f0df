#include "kernels/gelu/gelu_scalar.h"

namespace espalier {
namespace {

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
  static constexpr KernelRow<GeluForward<float>> rows[] = {ESPALIER_CUDA_ROW(
      gelu_forward) ESPALIER_ISA_ROWS(gelu_forward){Isa::scalar, gelu_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluForward<double>>> gelu_forward_kernels() noexcept {
  static constexpr KernelRow<GeluForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(gelu_forward){Isa::scalar, gelu_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluTraining<float>>> gelu_training_kernels() noexcept {
  static constexpr KernelRow<GeluTraining<float>> rows[] = {ESPALIER_CUDA_ROW(
      gelu_training) ESPALIER_ISA_ROWS(gelu_training){Isa::scalar, gelu_training_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluTraining<double>>> gelu_training_kernels() noexcept {
  static constexpr KernelRow<GeluTraining<double>> rows[] = {
      ESPALIER_CUDA_ROW(gelu_training){Isa::scalar, gelu_training_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluBackward<float>>> gelu_backward_kernels() noexcept {
  static constexpr KernelRow<GeluBackward<float>> rows[] = {ESPALIER_CUDA_ROW(
      gelu_backward) ESPALIER_ISA_ROWS(gelu_backward){Isa::scalar, gelu_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<GeluBackward<double>>> gelu_backward_kernels() noexcept {
  static constexpr KernelRow<GeluBackward<double>> rows[] = {
      ESPALIER_CUDA_ROW(gelu_backward){Isa::scalar, gelu_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
