#include "kernels/grad_norm/grad_norm_scalar.h"

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

void fold_sums_scalar(const double* sums, int64_t count, double* total) noexcept {
  double sum = 0;
  for (int64_t b = 0; b < count; ++b) sum += sums[b];
  *total += sum;
}

void clip_norm_row(const NormLimits* limits, StepOutcome* outcome) noexcept {
  clip_norm_scalar(*limits, *outcome);
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

std::span<const KernelRow<FoldSums>> fold_sums_kernels() noexcept {
  static constexpr KernelRow<FoldSums> rows[] = {
      ESPALIER_CUDA_ROW(fold_sums){Isa::scalar, fold_sums_scalar}};
  return rows;
}

std::span<const KernelRow<ClipNorm>> clip_norm_kernels() noexcept {
  static constexpr KernelRow<ClipNorm> rows[] = {
      ESPALIER_CUDA_ROW(clip_norm){Isa::scalar, clip_norm_row}};
  return rows;
}

}  // namespace espalier
