#include "engine/ops/conv2d_unfolded.h"

#include <algorithm>

#include "engine/dispatch.h"
#include "engine/gemm.h"
#include "kernels/unfold/unfold.h"

namespace espalier {
namespace {

// Calls f(first image, images) for pieces of a batch whose patches take some 64 MiB.
template <class F>
void for_each_piece(const Convolution& c, F f) {
  constexpr int64_t most_values = 1 << 24;
  const int64_t an_image = std::max<int64_t>(1, c.shape.out_pixels() * c.shape.depth());
  const int64_t images = std::max<int64_t>(1, most_values / an_image);
  for (int64_t b = 0; b < c.images; b += images) f(b, std::min(images, c.images - b));
}

Tensor patches_for(const Convolution& c, int64_t images, DType dtype) {
  return Tensor::empty({images * c.shape.out_pixels(), c.shape.depth()}, dtype);
}

// The product of patches or outputs of `images` images from `first` on; K stays to be set.
template <class T>
MatrixProduct<T> product_of(const Convolution& c, int64_t images) {
  MatrixProduct<T> p;
  p.M = images * c.shape.out_pixels();
  p.precision = c.precision;
  return p;
}

template <class T>
void forward(const Convolution& c, const Tensor& x, const Tensor& weight, const Tensor& bias,
             const Tensor& y) {
  const Conv2dShape& s = c.shape;
  for_each_piece(c, [&](int64_t first, int64_t images) {
    const Tensor patches = patches_for(c, images, x.dtype());
    kernel(unfold_kernels<T>())
        .run(x.data<T>() + first * c.in_size(), patches.data<T>(), images, c.padding, s);
    MatrixProduct<T> p = product_of<T>(c, images);
    p.N = s.out_channels, p.K = s.depth();
    p.A = patches.data<T>(), p.a_row_stride = p.K, p.a_k_stride = 1;
    p.B = weight.data<T>(), p.b_k_stride = 1, p.b_n_stride = p.K;
    p.C = y.data<T>() + first * s.out_size(), p.c_row_stride = p.N;
    p.bias = bias.defined() ? bias.data<T>() : nullptr;
    multiply(p);
  });
}

template <class T>
void input_gradient(const Convolution& c, const Tensor& dy, const Tensor& weight,
                    const Tensor& dx) {
  const Conv2dShape& s = c.shape;
  for_each_piece(c, [&](int64_t first, int64_t images) {
    const Tensor gradient = patches_for(c, images, dy.dtype());
    MatrixProduct<T> p = product_of<T>(c, images);
    p.N = s.depth(), p.K = s.out_channels;
    p.A = dy.data<T>() + first * s.out_size(), p.a_row_stride = p.K, p.a_k_stride = 1;
    p.B = weight.data<T>(), p.b_k_stride = p.N, p.b_n_stride = 1;
    p.C = gradient.data<T>(), p.c_row_stride = p.N;
    multiply(p);
    kernel(fold_kernels<T>())
        .run(gradient.data<T>(), dx.data<T>() + first * c.in_size(), images, c.padding, s);
  });
}

template <class T>
void weight_gradient(const Convolution& c, const Tensor& x, const Tensor& dy,
                     const InputGradients::Destination& to) {
  const Conv2dShape& s = c.shape;
  if (c.images == 0 && !to.accumulate) to.tensor.fill_(0);
  for_each_piece(c, [&](int64_t first, int64_t images) {
    const Tensor patches = patches_for(c, images, x.dtype());
    kernel(unfold_kernels<T>())
        .run(x.data<T>() + first * c.in_size(), patches.data<T>(), images, c.padding, s);
    MatrixProduct<T> p = product_of<T>(c, images);
    p.K = p.M, p.M = s.out_channels, p.N = s.depth();
    p.A = dy.data<T>() + first * s.out_size(), p.a_row_stride = 1, p.a_k_stride = s.out_channels;
    p.B = patches.data<T>(), p.b_k_stride = p.N, p.b_n_stride = 1;
    p.C = to.tensor.data<T>(), p.c_row_stride = p.N;
    p.accumulate = to.accumulate || first > 0;
    multiply(p);
  });
}

}  // namespace

Tensor conv2d_unfolded(const Convolution& c, const Tensor& x, const Tensor& weight,
                       const Tensor& bias) {
  const Tensor y = Tensor::empty(c.out_shape(), x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() { forward<T>(c, x, weight, bias, y); });
  return y;
}

Tensor conv2d_input_gradient_unfolded(const Convolution& c, const Tensor& dy,
                                      const Tensor& weight) {
  const Tensor dx = Tensor::empty(c.in_shape, dy.dtype());
  visit_floating_point(dy.dtype(), [&]<class T>() { input_gradient<T>(c, dy, weight, dx); });
  return dx;
}

void conv2d_weight_gradient_unfolded(const Convolution& c, const Tensor& x, const Tensor& dy,
                                     const InputGradients::Destination& to) {
  visit_floating_point(dy.dtype(), [&]<class T>() { weight_gradient<T>(c, x, dy, to); });
}

void conv2d_bias_gradient_unfolded(const Convolution& c, const Tensor& dy,
                                   const InputGradients::Destination& to) {
  visit_floating_point(dy.dtype(), [&]<class T>() {
    add_rows(dy.data<T>(), c.images * c.shape.out_pixels(), c.shape.out_channels,
             to.tensor.data<T>(), to.accumulate);
  });
}

}  // namespace espalier
