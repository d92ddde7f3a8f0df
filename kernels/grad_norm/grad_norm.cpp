#include "kernels/grad_norm/grad_norm.h"

namespace espalier {
namespace {

template <class T>
double sum_of_block(const T* x, int64_t count) noexcept {
  constexpr int lanes = 16;
  double sum[lanes] = {};
  for (int64_t i = 0; i < count; ++i) {
    const double value = x[i];
    sum[i % lanes] += value * value;
  }
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) sum[i] += sum[i + half];
  return sum[0];
}

template <class T>
void sums_of_squares_scalar(const T* x, int64_t count, double* sums) noexcept {
  for (int64_t i = 0; i < count; i += grad_norm_block)
    *sums++ = sum_of_block(x + i, count - i < grad_norm_block ? count - i : grad_norm_block);
}

}  // namespace

template <>
std::span<const KernelRow<SumsOfSquares<float>>> sums_of_squares_kernels() noexcept {
  static constexpr KernelRow<SumsOfSquares<float>> rows[] = {
      ESPALIER_CUDA_ROW(sums_of_squares)
          ESPALIER_ISA_ROWS(sums_of_squares){Isa::scalar, sums_of_squares_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<SumsOfSquares<double>>> sums_of_squares_kernels() noexcept {
  static constexpr KernelRow<SumsOfSquares<double>> rows[] = {
      ESPALIER_CUDA_ROW(sums_of_squares){Isa::scalar, sums_of_squares_scalar<double>}};
  return rows;
}

}  // namespace espalier
