// Max pooling of NHWC images over square windows.
//
//   y[b, i, j, c] = max over taps (u, v) of x[b, i*stride - padding + u, j*stride - padding + v, c]
//   dx[b, h, w, c] = sum of dy[b, i, j, c] over the windows (i, j) whose maximum stood at (h, w)
//
// Contract: `images` contiguous images of `shape`; 1 <= kernel <= 16, stride >= 1, 0 <= 2*padding
// <= kernel, and the padded image holds a window. A window never takes a value from the padding.
// The first of equal values wins; a NaN wins over every number, and the last NaN over earlier ones.
// `argmax` names the winning tap as u * kernel + v, an output's size of bytes; forward may be given
// none (nullptr), backward needs it. No overlap; no alignment is assumed. Windows are summed in
// order of (i, j), so that every row of both tables gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

struct MaxPool2dShape {
  int64_t height, width, channels;  // of an input image
  int64_t kernel, stride, padding;

  constexpr ESPALIER_INLINE int64_t out_height() const {
    return (height + 2 * padding - kernel) / stride + 1;
  }
  constexpr ESPALIER_INLINE int64_t out_width() const {
    return (width + 2 * padding - kernel) / stride + 1;
  }
  constexpr ESPALIER_INLINE int64_t in_size() const { return height * width * channels; }
  constexpr ESPALIER_INLINE int64_t out_size() const {
    return out_height() * out_width() * channels;
  }
};

constexpr int64_t max_pool2d_largest_kernel = 16;  // a tap's number fits a byte

template <class T>
using MaxPool2dForward = void(const T* x, T* y, uint8_t* argmax, int64_t images,
                              const MaxPool2dShape& shape) noexcept;
template <class T>
using MaxPool2dBackward = void(const T* dy, const uint8_t* argmax, T* dx, int64_t images,
                               const MaxPool2dShape& shape) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<MaxPool2dForward<T>>> max_pool2d_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<MaxPool2dBackward<T>>> max_pool2d_backward_kernels() noexcept;

ESPALIER_DECLARE_ISAS(MaxPool2dForward<float> max_pool2d_forward;
                      MaxPool2dBackward<float> max_pool2d_backward;)
ESPALIER_DECLARE_CUDA(MaxPool2dForward<float> max_pool2d_forward;
                      MaxPool2dForward<double> max_pool2d_forward;
                      MaxPool2dBackward<float> max_pool2d_backward;
                      MaxPool2dBackward<double> max_pool2d_backward;)

}  // namespace espalier
