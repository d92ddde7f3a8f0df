#include "kernels/reduce/reduce_scalar.h"

namespace espalier {
namespace {

template <class T>
void reduce_rows_scalar(ReduceOp op, const T* x, T* y, int64_t rows, int64_t width,
                        int64_t row_stride) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += row_stride) {
    T total = reduce_neutral<T>(op);
    for (int64_t i = 0; i < width; ++i) total = reduce_combine(op, total, x[i]);
    y[r] = total;
  }
}

template <class T>
void reduce_columns_scalar(ReduceOp op, const T* x, T* y, int64_t rows, int64_t width,
                           int64_t row_stride) noexcept {
  for (int64_t i = 0; i < width; ++i) y[i] = reduce_neutral<T>(op);
  for (int64_t r = 0; r < rows; ++r, x += row_stride)
    for (int64_t i = 0; i < width; ++i) y[i] = reduce_combine(op, y[i], x[i]);
}

template <class T>
void argmax_rows_scalar(const T* x, int64_t* index, int64_t rows, int64_t width,
                        int64_t row_stride) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += row_stride) {
    int64_t best = 0;
    for (int64_t i = 1; i < width && x[best] == x[best]; ++i)
      if (x[i] > x[best] || x[i] != x[i]) best = i;
    index[r] = best;
  }
}

}  // namespace

template <>
std::span<const KernelRow<Reduce<float>>> reduce_rows_kernels<float>() noexcept {
  static constexpr KernelRow<Reduce<float>> rows[] = {ESPALIER_CUDA_ROW(
      reduce_rows) ESPALIER_ISA_ROWS(reduce_rows){Isa::scalar, reduce_rows_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<Reduce<double>>> reduce_rows_kernels<double>() noexcept {
  static constexpr KernelRow<Reduce<double>> rows[] = {
      ESPALIER_CUDA_ROW(reduce_rows){Isa::scalar, reduce_rows_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<Reduce<float>>> reduce_columns_kernels<float>() noexcept {
  static constexpr KernelRow<Reduce<float>> rows[] = {ESPALIER_CUDA_ROW(
      reduce_columns) ESPALIER_ISA_ROWS(reduce_columns){Isa::scalar, reduce_columns_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<Reduce<double>>> reduce_columns_kernels<double>() noexcept {
  static constexpr KernelRow<Reduce<double>> rows[] = {
      ESPALIER_CUDA_ROW(reduce_columns){Isa::scalar, reduce_columns_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<Argmax<float>>> argmax_rows_kernels<float>() noexcept {
  static constexpr KernelRow<Argmax<float>> rows[] = {ESPALIER_CUDA_ROW(
      argmax_rows) ESPALIER_ISA_ROWS(argmax_rows){Isa::scalar, argmax_rows_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<Argmax<double>>> argmax_rows_kernels<double>() noexcept {
  static constexpr KernelRow<Argmax<double>> rows[] = {
      ESPALIER_CUDA_ROW(argmax_rows){Isa::scalar, argmax_rows_scalar<double>}};
  return rows;
}

}  // namespace espalier
