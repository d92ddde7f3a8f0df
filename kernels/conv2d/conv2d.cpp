#include "kernels/conv2d/conv2d.h"

#include <algorithm>

namespace espalier {
namespace {

constexpr int64_t scalar_panel = gemm_f32_panel(Isa::scalar);

// Element [k, n] of a packed matrix of K rows.
template <class T>
T packed_at(const T* packed, int64_t K, int64_t k, int64_t n) {
  return packed[(n / scalar_panel * K + k) * scalar_panel + n % scalar_panel];
}

// Calls f(k, offset) for each element k = (u, v, c) of the patch of output pixel (i, j).
template <class F>
void for_each_in_patch(const Conv2dShape& s, int64_t i, int64_t j, F f) {
  int64_t k = 0;
  for (int64_t u = 0; u < s.kernel_height; ++u)
    for (int64_t v = 0; v < s.kernel_width; ++v)
      for (int64_t c = 0; c < s.in_channels; ++c)
        f(k++, ((i * s.stride + u) * s.width + j * s.stride + v) * s.in_channels + c);
}

template <class T>
void conv2d_forward_scalar(const T* x, const T* packed_weight, const T* bias, T* y,
                           const Conv2dShape& s) noexcept {
  for (int64_t i = 0; i < s.out_height(); ++i)
    for (int64_t j = 0; j < s.out_width(); ++j)
      for (int64_t o = 0; o < s.out_channels; ++o) {
        T sum = bias ? bias[o] : T(0);
        for_each_in_patch(s, i, j, [&](int64_t k, int64_t at) {
          sum += x[at] * packed_at(packed_weight, s.depth(), k, o);
        });
        *y++ = sum;
      }
}

template <class T>
void conv2d_weight_gradient_scalar(const T* x, const T* packed_dy, T* dweight_t, T* dbias,
                                   const Conv2dShape& s) noexcept {
  const int64_t pixels = s.out_pixels();
  for (int64_t m = 0; m < pixels; ++m)
    for (int64_t o = 0; o < s.out_channels; ++o) {
      const T dy = packed_at(packed_dy, pixels, m, o);
      if (dbias) dbias[o] += dy;
      for_each_in_patch(s, m / s.out_width(), m % s.out_width(), [&](int64_t k, int64_t at) {
        dweight_t[k * s.out_channels + o] += x[at] * dy;
      });
    }
}

template <class T>
void conv2d_input_gradient_scalar(const T* dy, const T* packed_taps, T* dx,
                                  const Conv2dShape& s) noexcept {
  const int64_t tap_size = gemm_packed_size(scalar_panel, s.out_channels, s.in_channels);
  for (int64_t i = 0; i < s.out_height(); ++i)
    for (int64_t j = 0; j < s.out_width(); ++j, dy += s.out_channels)
      for_each_in_patch(s, i, j, [&](int64_t k, int64_t at) {
        const T* tap = packed_taps + k / s.in_channels * tap_size;
        for (int64_t o = 0; o < s.out_channels; ++o)
          dx[at] += dy[o] * packed_at(tap, s.out_channels, o, k % s.in_channels);
      });
}

}  // namespace

template <>
std::span<const KernelRow<Conv2dForward<float>>> conv2d_forward_kernels() noexcept {
  static constexpr KernelRow<Conv2dForward<float>> rows[] = {
      ESPALIER_ISA_ROWS(conv2d_forward){Isa::scalar, conv2d_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<Conv2dForward<double>>> conv2d_forward_kernels() noexcept {
  static constexpr KernelRow<Conv2dForward<double>> rows[] = {
      {Isa::scalar, conv2d_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<Conv2dWeightGradient<float>>> conv2d_weight_gradient_kernels() noexcept {
  static constexpr KernelRow<Conv2dWeightGradient<float>> rows[] = {
      ESPALIER_ISA_ROWS(conv2d_weight_gradient){Isa::scalar, conv2d_weight_gradient_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<Conv2dWeightGradient<double>>> conv2d_weight_gradient_kernels() noexcept {
  static constexpr KernelRow<Conv2dWeightGradient<double>> rows[] = {
      {Isa::scalar, conv2d_weight_gradient_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<Conv2dInputGradient<float>>> conv2d_input_gradient_kernels() noexcept {
  static constexpr KernelRow<Conv2dInputGradient<float>> rows[] = {
      ESPALIER_ISA_ROWS(conv2d_input_gradient){Isa::scalar, conv2d_input_gradient_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<Conv2dInputGradient<double>>> conv2d_input_gradient_kernels() noexcept {
  static constexpr KernelRow<Conv2dInputGradient<double>> rows[] = {
      {Isa::scalar, conv2d_input_gradient_scalar<double>}};
  return rows;
}

template <class T>
void conv2d_pad(const T* x, T* padded, int64_t padding, int64_t first, int64_t last,
                const Conv2dShape& s) noexcept {
  const int64_t margin = padding * s.in_channels, inside = s.row_size() - 2 * margin;
  for (int64_t h = first; h < last; ++h) {
    if (h < padding || h >= s.height - padding) {
      padded = std::fill_n(padded, s.row_size(), T(0));
      continue;
    }
    padded = std::fill_n(padded, margin, T(0));
    padded = std::copy_n(x + (h - padding) * inside, inside, padded);
    padded = std::fill_n(padded, margin, T(0));
  }
}

template <class T>
void conv2d_crop(const T* padded, T* x, int64_t padding, const Conv2dShape& s) noexcept {
  const int64_t margin = padding * s.in_channels, inside = s.row_size() - 2 * margin;
  for (int64_t h = padding; h < s.height - padding; ++h)
    x = std::copy_n(padded + h * s.row_size() + margin, inside, x);
}

template void conv2d_pad(const float*, float*, int64_t, int64_t, int64_t,
                         const Conv2dShape&) noexcept;
template void conv2d_pad(const double*, double*, int64_t, int64_t, int64_t,
                         const Conv2dShape&) noexcept;
template void conv2d_crop(const float*, float*, int64_t, const Conv2dShape&) noexcept;
template void conv2d_crop(const double*, double*, int64_t, const Conv2dShape&) noexcept;

}  // namespace espalier
