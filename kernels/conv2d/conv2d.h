// Convolution of NHWC images as matrix products that read the image in place.
//
//   y[i, j, o] = bias[o] + sum_{u, v, c} x[i*stride + u, j*stride + v, c] * weight[o, u, v, c]
//
// In matrix terms Y = P W: row (i, j) of the patch matrix P is the window at (i*stride, j*stride),
// column (u, v, c) an element of it. P is never formed: an element of it is an address in the image
// (implicit GEMM; Chetlur et al., cuDNN, 2014), and so the three products of a training step are
//
//   forward          Y  = P W         conv2d_forward
//   weight gradient  dW += P^T dY     conv2d_weight_gradient
//   input gradient   dP = dY W^T, each element added where P reads it: conv2d_input_gradient
//
// Contract: one image a call, which carries its border of zeros already (conv2d_pad); `shape`
// describes it so. Every size is at least 1, and the image holds a window. No overlap, no
// alignment. To compute fewer output rows, shift the pointers and use shape.with_out_height().
//
// Right-hand sides are packed as gemm_f32 packs them, for the panel width of the same row:
//   forward            W[(u, v, c), o], K = depth(), N = out_channels
//   weight gradient    dY[(i, j), o], K = out_pixels(), N = out_channels
//   input gradient     for each tap (u, v), one after the other, W[o, c], K = out_channels,
//                      N = in_channels
//
// Each y is one chain of fused multiply-adds from the bias over (u, v, c); each dW one chain from
// what it held over (i, j); each dx one from what it held over (u, v, o). The scalar rows add a
// rounded product instead. The SIMD rows give the same bits.
#pragma once

#include <cstdint>

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/rows.h"

namespace espalier {

struct Conv2dShape {
  int64_t height, width, in_channels;  // of the image with its border
  int64_t out_channels, kernel_height, kernel_width;
  int64_t stride;

  constexpr ESPALIER_INLINE int64_t out_height() const {
    return (height - kernel_height) / stride + 1;
  }
  constexpr ESPALIER_INLINE int64_t out_width() const {
    return (width - kernel_width) / stride + 1;
  }
  constexpr ESPALIER_INLINE int64_t out_pixels() const { return out_height() * out_width(); }
  constexpr ESPALIER_INLINE int64_t depth() const {
    return kernel_height * kernel_width * in_channels;
  }
  constexpr ESPALIER_INLINE int64_t row_size() const { return width * in_channels; }
  constexpr ESPALIER_INLINE int64_t in_size() const { return height * row_size(); }
  constexpr ESPALIER_INLINE int64_t out_size() const { return out_pixels() * out_channels; }

  constexpr ESPALIER_INLINE Conv2dShape with_out_height(int64_t rows) const {
    Conv2dShape part = *this;
    part.height = (rows - 1) * stride + kernel_height;
    return part;
  }
};

// `bias` may be null.
template <class T>
using Conv2dForward = void(const T* x, const T* packed_weight, const T* bias, T* y,
                           const Conv2dShape& shape) noexcept;
// Adds to dweight_t [depth(), out_channels], the transpose of the weight's own order, and the sums
// of dY over pixels to dbias unless that is null.
template <class T>
using Conv2dWeightGradient = void(const T* x, const T* packed_dy, T* dweight_t, T* dbias,
                                  const Conv2dShape& shape) noexcept;
// Adds to dx, an image with its border.
template <class T>
using Conv2dInputGradient = void(const T* dy, const T* packed_taps, T* dx,
                                 const Conv2dShape& shape) noexcept;

// Rows of the three tables, best first; those for double hold the scalar reference alone.
template <class T>
std::span<const KernelRow<Conv2dForward<T>>> conv2d_forward_kernels() noexcept;
template <class T>
std::span<const KernelRow<Conv2dWeightGradient<T>>> conv2d_weight_gradient_kernels() noexcept;
template <class T>
std::span<const KernelRow<Conv2dInputGradient<T>>> conv2d_input_gradient_kernels() noexcept;

// Rows [first, last) of the bordered image that holds x, an image of shape.height - 2 * padding
// rows without its border. Zeros stand in the border.
template <class T>
void conv2d_pad(const T* x, T* padded, int64_t padding, int64_t first, int64_t last,
                const Conv2dShape& shape) noexcept;
// The image without its border.
template <class T>
void conv2d_crop(const T* padded, T* x, int64_t padding, const Conv2dShape& shape) noexcept;

ESPALIER_DECLARE_ISAS(Conv2dForward<float> conv2d_forward;
                      Conv2dWeightGradient<float> conv2d_weight_gradient;
                      Conv2dInputGradient<float> conv2d_input_gradient;)

}  // namespace espalier
