#include "kernels/unary/unary_scalar.h"

namespace espalier {
namespace {

template <class T>
void unary_forward_scalar(UnaryOp op, const T* x, T* y, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) y[i] = unary_value(op, x[i]);
}

template <class T>
void unary_backward_scalar(UnaryOp op, const T* saved, const T* dy, T* dx, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) dx[i] = unary_slope(op, saved[i], dy[i]);
}

}  // namespace

template <>
std::span<const KernelRow<UnaryForward<float>>> unary_forward_kernels() noexcept {
  static constexpr KernelRow<UnaryForward<float>> rows[] = {ESPALIER_CUDA_ROW(
      unary_forward) ESPALIER_ISA_ROWS(unary_forward){Isa::scalar, unary_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<UnaryForward<double>>> unary_forward_kernels() noexcept {
  static constexpr KernelRow<UnaryForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(unary_forward){Isa::scalar, unary_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<UnaryBackward<float>>> unary_backward_kernels() noexcept {
  static constexpr KernelRow<UnaryBackward<float>> rows[] = {ESPALIER_CUDA_ROW(
      unary_backward) ESPALIER_ISA_ROWS(unary_backward){Isa::scalar, unary_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<UnaryBackward<double>>> unary_backward_kernels() noexcept {
  static constexpr KernelRow<UnaryBackward<double>> rows[] = {
      ESPALIER_CUDA_ROW(unary_backward){Isa::scalar, unary_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
