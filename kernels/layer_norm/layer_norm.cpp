#include "kernels/layer_norm/layer_norm.h"

#include <cmath>

namespace espalier {
namespace {

template <class T>
void layer_norm_forward_scalar(const T* x, const T* gamma, const T* beta, T* y, T* mean, T* rstd,
                               int64_t rows, int64_t width, T eps) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    T sum = 0, squares = 0;
    for (int64_t i = 0; i < width; ++i) sum += x[i];
    const T m = sum / static_cast<T>(width);
    for (int64_t i = 0; i < width; ++i) squares += (x[i] - m) * (x[i] - m);
    const T s = 1 / std::sqrt(squares / static_cast<T>(width) + eps);
    for (int64_t i = 0; i < width; ++i) y[i] = (x[i] - m) * s * gamma[i] + beta[i];
    if (mean) mean[r] = m, rstd[r] = s;
  }
}

template <class T>
void layer_norm_backward_scalar(const T* x, const T* gamma, const T* mean, const T* rstd,
                                const T* dy, T* dx, T* dgamma, T* dbeta, int64_t rows,
                                int64_t width) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += width, dy += width, dx += width) {
    const auto normalised = [&](int64_t i) { return (x[i] - mean[r]) * rstd[r]; };
    T sum = 0, dot = 0;
    for (int64_t i = 0; i < width; ++i) {
      sum += dy[i] * gamma[i];
      dot += dy[i] * gamma[i] * normalised(i);
      if (dgamma) dgamma[i] += dy[i] * normalised(i), dbeta[i] += dy[i];
    }
    sum /= static_cast<T>(width);
    dot /= static_cast<T>(width);
    for (int64_t i = 0; i < width; ++i)
      dx[i] = rstd[r] * (dy[i] * gamma[i] - sum - normalised(i) * dot);
  }
}

}  // namespace

template <>
std::span<const KernelRow<LayerNormForward<float>>> layer_norm_forward_kernels() noexcept {
  static constexpr KernelRow<LayerNormForward<float>> rows[] = {
      ESPALIER_CUDA_ROW(layer_norm_forward)
          ESPALIER_ISA_ROWS(layer_norm_forward){Isa::scalar, layer_norm_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<LayerNormForward<double>>> layer_norm_forward_kernels() noexcept {
  static constexpr KernelRow<LayerNormForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(layer_norm_forward){Isa::scalar, layer_norm_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<LayerNormBackward<float>>> layer_norm_backward_kernels() noexcept {
  static constexpr KernelRow<LayerNormBackward<float>> rows[] = {
      ESPALIER_CUDA_ROW(layer_norm_backward)
          ESPALIER_ISA_ROWS(layer_norm_backward){Isa::scalar, layer_norm_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<LayerNormBackward<double>>> layer_norm_backward_kernels() noexcept {
  static constexpr KernelRow<LayerNormBackward<double>> rows[] = {
      ESPALIER_CUDA_ROW(layer_norm_backward){Isa::scalar, layer_norm_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
