#include "kernels/binary/binary_scalar.h"

namespace espalier {
namespace {

template <class T>
void binary_scalar(BinaryOp op, BinaryOperand<T> a, BinaryOperand<T> b, T* y, int64_t rows,
                   int64_t width) noexcept {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < width; ++i)
      y[r * width + i] = binary_value(op, a.data[r * a.row_stride + i * a.column_stride],
                                      b.data[r * b.row_stride + i * b.column_stride]);
}

template <class T>
void axpby_scalar(T alpha, const T* x, T beta, T* y, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i)
    y[i] = beta == 0 ? alpha * x[i] : std::fma(alpha, x[i], beta * y[i]);
}

}  // namespace

template <>
std::span<const KernelRow<Binary<float>>> binary_kernels() noexcept {
  static constexpr KernelRow<Binary<float>> rows[] = {
      ESPALIER_CUDA_ROW(binary) ESPALIER_ISA_ROWS(binary){Isa::scalar, binary_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<Binary<double>>> binary_kernels() noexcept {
  static constexpr KernelRow<Binary<double>> rows[] = {
      ESPALIER_CUDA_ROW(binary){Isa::scalar, binary_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<Axpby<float>>> axpby_kernels() noexcept {
  static constexpr KernelRow<Axpby<float>> rows[] = {
      ESPALIER_CUDA_ROW(axpby) ESPALIER_ISA_ROWS(axpby){Isa::scalar, axpby_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<Axpby<double>>> axpby_kernels() noexcept {
  static constexpr KernelRow<Axpby<double>> rows[] = {
      ESPALIER_CUDA_ROW(axpby){Isa::scalar, axpby_scalar<double>}};
  return rows;
}

}  // namespace espalier
