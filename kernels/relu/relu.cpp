#include "kernels/relu/relu.h"

namespace espalier {
namespace {

template <class T>
void relu_forward_scalar(const T* x, T* y, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] < 0 ? 0 : x[i];
}

template <class T>
void relu_backward_scalar(const T* y, const T* dy, T* dx, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
}

}  // namespace

template <>
std::span<const KernelRow<ReluForward<float>>> relu_forward_kernels() noexcept {
  static constexpr KernelRow<ReluForward<float>> rows[] = {ESPALIER_CUDA_ROW(
      relu_forward) ESPALIER_ISA_ROWS(relu_forward){Isa::scalar, relu_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<ReluForward<double>>> relu_forward_kernels() noexcept {
  static constexpr KernelRow<ReluForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(relu_forward){Isa::scalar, relu_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<ReluBackward<float>>> relu_backward_kernels() noexcept {
  static constexpr KernelRow<ReluBackward<float>> rows[] = {ESPALIER_CUDA_ROW(
      relu_backward) ESPALIER_ISA_ROWS(relu_backward){Isa::scalar, relu_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<ReluBackward<double>>> relu_backward_kernels() noexcept {
  static constexpr KernelRow<ReluBackward<double>> rows[] = {
      ESPALIER_CUDA_ROW(relu_backward){Isa::scalar, relu_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
