#include "kernels/dropout/dropout.h"

namespace espalier {
namespace {

template <class T>
void dropout_elements_scalar(const T* x, const uint8_t* keep, T scale, T* y,
                             int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) y[i] = keep[i] ? scale * x[i] : T(0);
}

template <class T>
void dropout_rows_scalar(const T* x, const uint8_t* keep, T scale, T* y, int64_t rows,
                         int64_t width) noexcept {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = r * width; i < (r + 1) * width; ++i) y[i] = keep[r] ? scale * x[i] : T(0);
}

}  // namespace

template <>
std::span<const KernelRow<DropoutElements<float>>> dropout_elements_kernels() noexcept {
  static constexpr KernelRow<DropoutElements<float>> rows[] = {
      ESPALIER_CUDA_ROW(dropout_elements)
          ESPALIER_ISA_ROWS(dropout_elements){Isa::scalar, dropout_elements_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<DropoutElements<double>>> dropout_elements_kernels() noexcept {
  static constexpr KernelRow<DropoutElements<double>> rows[] = {
      ESPALIER_CUDA_ROW(dropout_elements){Isa::scalar, dropout_elements_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<DropoutRows<float>>> dropout_rows_kernels() noexcept {
  static constexpr KernelRow<DropoutRows<float>> rows[] = {ESPALIER_CUDA_ROW(
      dropout_rows) ESPALIER_ISA_ROWS(dropout_rows){Isa::scalar, dropout_rows_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<DropoutRows<double>>> dropout_rows_kernels() noexcept {
  static constexpr KernelRow<DropoutRows<double>> rows[] = {
      ESPALIER_CUDA_ROW(dropout_rows){Isa::scalar, dropout_rows_scalar<double>}};
  return rows;
}

}  // namespace espalier
