#include "kernels/cross_entropy/cross_entropy_scalar.h"

#include <cmath>

namespace espalier {
namespace {

template <class T>
T largest_of(const T* x, int64_t classes) {
  T largest = x[0];
  for (int64_t j = 1; j < classes; ++j)
    if (x[j] > largest || x[j] != x[j]) largest = x[j];
  return largest;
}

template <class T>
void cross_entropy_forward_scalar(const T* x, const CrossEntropyTarget<T>& target, T* loss,
                                  int64_t rows, int64_t classes) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += classes) {
    const T largest = largest_of(x, classes);
    T sum = 0;
    for (int64_t j = 0; j < classes; ++j) sum += std::exp(x[j] - largest);
    const T log_sum = std::log(sum);
    loss[r] = 0 * log_sum;  // NaN where the row has no softmax
    for (int64_t j = 0; j < classes; ++j)
      if (const T q = smoothed(target, r, j, classes); q != 0)
        loss[r] += q * (log_sum + (largest - x[j]));
  }
}

template <class T>
void cross_entropy_backward_scalar(const T* x, const CrossEntropyTarget<T>& target, T scale, T* dx,
                                   int64_t rows, int64_t classes) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += classes, dx += classes) {
    const T largest = largest_of(x, classes);
    T sum = 0, mass = 0;
    for (int64_t j = 0; j < classes; ++j) {
      sum += dx[j] = std::exp(x[j] - largest);
      mass += smoothed(target, r, j, classes);
    }
    for (int64_t j = 0; j < classes; ++j)
      dx[j] = scale * (mass * dx[j] / sum - smoothed(target, r, j, classes));
  }
}

}  // namespace

template <>
std::span<const KernelRow<CrossEntropyForward<float>>> cross_entropy_forward_kernels() noexcept {
  static constexpr KernelRow<CrossEntropyForward<float>> rows[] = {
      ESPALIER_CUDA_ROW(cross_entropy_forward) ESPALIER_ISA_ROWS(cross_entropy_forward){
          Isa::scalar, cross_entropy_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<CrossEntropyForward<double>>> cross_entropy_forward_kernels() noexcept {
  static constexpr KernelRow<CrossEntropyForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(cross_entropy_forward){Isa::scalar, cross_entropy_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<CrossEntropyBackward<float>>> cross_entropy_backward_kernels() noexcept {
  static constexpr KernelRow<CrossEntropyBackward<float>> rows[] = {
      ESPALIER_CUDA_ROW(cross_entropy_backward) ESPALIER_ISA_ROWS(cross_entropy_backward){
          Isa::scalar, cross_entropy_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<CrossEntropyBackward<double>>> cross_entropy_backward_kernels() noexcept {
  static constexpr KernelRow<CrossEntropyBackward<double>> rows[] = {ESPALIER_CUDA_ROW(
      cross_entropy_backward){Isa::scalar, cross_entropy_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
