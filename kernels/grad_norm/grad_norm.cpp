#include "kernels/grad_norm/grad_norm.h"

namespace espalier {
namespace {

template <class T>
double sum_of_squares_scalar(const T* x, int64_t count) noexcept {
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

}  // namespace

template <>
std::span<const KernelRow<SumOfSquares<float>>> sum_of_squares_kernels() noexcept {
  static constexpr KernelRow<SumOfSquares<float>> rows[] = {
      ESPALIER_ISA_ROWS(sum_of_squares){Isa::scalar, sum_of_squares_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<SumOfSquares<double>>> sum_of_squares_kernels() noexcept {
  static constexpr KernelRow<SumOfSquares<double>> rows[] = {
      {Isa::scalar, sum_of_squares_scalar<double>}};
  return rows;
}

}  // namespace espalier
