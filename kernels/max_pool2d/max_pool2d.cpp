#include "kernels/max_pool2d/max_pool2d.h"

#include <limits>

namespace espalier {
namespace {

// The winning tap of channel c in the window whose corner is (top, left), be it in the padding.
template <class T>
int64_t winning_tap(const T* x, const MaxPool2dShape& s, int64_t top, int64_t left, int64_t c) {
  int64_t winner = -1;
  T best = -std::numeric_limits<T>::infinity();
  for (int64_t u = 0; u < s.kernel; ++u)
    for (int64_t v = 0; v < s.kernel; ++v) {
      const int64_t h = top + u, w = left + v;
      if (h < 0 || h >= s.height || w < 0 || w >= s.width) continue;
      const T value = x[(h * s.width + w) * s.channels + c];
      if (winner >= 0 && !(value > best) && value == value) continue;
      best = value;
      winner = u * s.kernel + v;
    }
  return winner;
}

// Where tap `tap` of the window at (i, j) reads, as an offset into the image.
int64_t tap_offset(const MaxPool2dShape& s, int64_t i, int64_t j, int64_t c, int64_t tap) {
  const int64_t h = i * s.stride - s.padding + tap / s.kernel;
  const int64_t w = j * s.stride - s.padding + tap % s.kernel;
  return (h * s.width + w) * s.channels + c;
}

template <class T>
void max_pool2d_forward_scalar(const T* x, T* y, uint8_t* argmax, int64_t images,
                               const MaxPool2dShape& s) noexcept {
  for (int64_t b = 0; b < images; ++b, x += s.in_size())
    for (int64_t i = 0; i < s.out_height(); ++i)
      for (int64_t j = 0; j < s.out_width(); ++j)
        for (int64_t c = 0; c < s.channels; ++c) {
          const int64_t tap =
              winning_tap(x, s, i * s.stride - s.padding, j * s.stride - s.padding, c);
          *y++ = x[tap_offset(s, i, j, c, tap)];
          if (argmax) *argmax++ = static_cast<uint8_t>(tap);
        }
}

template <class T>
void max_pool2d_backward_scalar(const T* dy, const uint8_t* argmax, T* dx, int64_t images,
                                const MaxPool2dShape& s) noexcept {
  for (int64_t b = 0; b < images; ++b, dx += s.in_size()) {
    for (int64_t i = 0; i < s.in_size(); ++i) dx[i] = 0;
    for (int64_t i = 0; i < s.out_height(); ++i)
      for (int64_t j = 0; j < s.out_width(); ++j)
        for (int64_t c = 0; c < s.channels; ++c) dx[tap_offset(s, i, j, c, *argmax++)] += *dy++;
  }
}

}  // namespace

template <>
std::span<const KernelRow<MaxPool2dForward<float>>> max_pool2d_forward_kernels() noexcept {
  static constexpr KernelRow<MaxPool2dForward<float>> rows[] = {
      ESPALIER_ISA_ROWS(max_pool2d_forward){Isa::scalar, max_pool2d_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<MaxPool2dForward<double>>> max_pool2d_forward_kernels() noexcept {
  static constexpr KernelRow<MaxPool2dForward<double>> rows[] = {
      {Isa::scalar, max_pool2d_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<MaxPool2dBackward<float>>> max_pool2d_backward_kernels() noexcept {
  static constexpr KernelRow<MaxPool2dBackward<float>> rows[] = {
      ESPALIER_ISA_ROWS(max_pool2d_backward){Isa::scalar, max_pool2d_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<MaxPool2dBackward<double>>> max_pool2d_backward_kernels() noexcept {
  static constexpr KernelRow<MaxPool2dBackward<double>> rows[] = {
      {Isa::scalar, max_pool2d_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
