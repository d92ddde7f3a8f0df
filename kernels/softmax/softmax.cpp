#include "kernels/softmax/softmax.h"

#include <cmath>

namespace espalier {
namespace {

template <class T>
void softmax_forward_scalar(const T* x, T* y, int64_t rows, int64_t width) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    T largest = x[0];
    for (int64_t i = 1; i < width; ++i)
      if (x[i] > largest || x[i] != x[i]) largest = x[i];
    T sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += y[i] = std::exp(x[i] - largest);
    for (int64_t i = 0; i < width; ++i) y[i] /= sum;
  }
}

template <class T>
void softmax_backward_scalar(const T* y, const T* dy, T* dx, int64_t rows, int64_t width) noexcept {
  for (int64_t r = 0; r < rows; ++r, y += width, dy += width, dx += width) {
    T dot = 0;
    for (int64_t i = 0; i < width; ++i) dot += dy[i] * y[i];
    for (int64_t i = 0; i < width; ++i) dx[i] = y[i] * (dy[i] - dot);
  }
}

}  // namespace

template <>
std::span<const KernelRow<SoftmaxForward<float>>> softmax_forward_kernels() noexcept {
  static constexpr KernelRow<SoftmaxForward<float>> rows[] = {
      ESPALIER_CUDA_ROW(softmax_forward)
          ESPALIER_ISA_ROWS(softmax_forward){Isa::scalar, softmax_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<SoftmaxForward<double>>> softmax_forward_kernels() noexcept {
  static constexpr KernelRow<SoftmaxForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(softmax_forward){Isa::scalar, softmax_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<SoftmaxBackward<float>>> softmax_backward_kernels() noexcept {
  static constexpr KernelRow<SoftmaxBackward<float>> rows[] = {
      ESPALIER_CUDA_ROW(softmax_backward)
          ESPALIER_ISA_ROWS(softmax_backward){Isa::scalar, softmax_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<SoftmaxBackward<double>>> softmax_backward_kernels() noexcept {
  static constexpr KernelRow<SoftmaxBackward<double>> rows[] = {
      ESPALIER_CUDA_ROW(softmax_backward){Isa::scalar, softmax_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
