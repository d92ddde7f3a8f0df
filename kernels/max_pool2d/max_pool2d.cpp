#include "kernels/max_pool2d/max_pool2d_scalar.h"

namespace espalier {
namespace {

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
      ESPALIER_CUDA_ROW(max_pool2d_forward)
          ESPALIER_ISA_ROWS(max_pool2d_forward){Isa::scalar, max_pool2d_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<MaxPool2dForward<double>>> max_pool2d_forward_kernels() noexcept {
  static constexpr KernelRow<MaxPool2dForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(max_pool2d_forward){Isa::scalar, max_pool2d_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<MaxPool2dBackward<float>>> max_pool2d_backward_kernels() noexcept {
  static constexpr KernelRow<MaxPool2dBackward<float>> rows[] = {
      ESPALIER_CUDA_ROW(max_pool2d_backward)
          ESPALIER_ISA_ROWS(max_pool2d_backward){Isa::scalar, max_pool2d_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<MaxPool2dBackward<double>>> max_pool2d_backward_kernels() noexcept {
  static constexpr KernelRow<MaxPool2dBackward<double>> rows[] = {
      ESPALIER_CUDA_ROW(max_pool2d_backward){Isa::scalar, max_pool2d_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
