// Resources (scripts/checks/cuda_resources):
//   forward_kernel   48  0  256  0.62
//   backward_kernel  80  0  256  0.38
#include "kernels/max_pool2d/max_pool2d_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

// A thread an output.
template <class T>
__global__ void forward_kernel(const T* x, T* y, uint8_t* argmax, int64_t count, MaxPool2dShape s) {
  const int64_t index = element_index();
  if (index >= count) return;
  const int64_t c = index % s.channels, j = index / s.channels % s.out_width();
  const int64_t i = index / (s.channels * s.out_width()) % s.out_height();
  x += index / s.out_size() * s.in_size();
  const int64_t tap = winning_tap(x, s, i * s.stride - s.padding, j * s.stride - s.padding, c);
  y[index] = x[tap_offset(s, i, j, c, tap)];
  if (argmax) argmax[index] = static_cast<uint8_t>(tap);
}

// The first window whose taps along one side reach `at`, a place in the padded image.
__device__ int64_t first_window(int64_t at, const MaxPool2dShape& s) {
  return at < s.kernel ? 0 : (at - s.kernel) / s.stride + 1;
}
__device__ int64_t last_window(int64_t at, int64_t windows, const MaxPool2dShape& s) {
  return at / s.stride < windows ? at / s.stride : windows - 1;
}

// A thread an input, which adds up the windows that it won, in their order.
template <class T>
__global__ void backward_kernel(const T* dy, const uint8_t* argmax, T* dx, int64_t count,
                                MaxPool2dShape s) {
  const int64_t index = element_index();
  if (index >= count) return;
  const int64_t c = index % s.channels, w = index / s.channels % s.width + s.padding;
  const int64_t h = index / (s.channels * s.width) % s.height + s.padding;
  const int64_t image = index / s.in_size() * s.out_size();
  T sum = 0;
  for (int64_t i = first_window(h, s); i <= last_window(h, s.out_height(), s); ++i)
    for (int64_t j = first_window(w, s); j <= last_window(w, s.out_width(), s); ++j) {
      const int64_t at = image + (i * s.out_width() + j) * s.channels + c;
      const int64_t tap = (h - i * s.stride) * s.kernel + (w - j * s.stride);
      if (argmax[at] == tap) sum += dy[at];
    }
  dx[index] = sum;
}

}  // namespace

void max_pool2d_forward(const float* x, float* y, uint8_t* argmax, int64_t images,
                        const MaxPool2dShape& shape) noexcept {
  const int64_t count = images * shape.out_size();
  launch(forward_kernel<float>, elements_grid(count), x, y, argmax, count, shape);
}
void max_pool2d_forward(const double* x, double* y, uint8_t* argmax, int64_t images,
                        const MaxPool2dShape& shape) noexcept {
  const int64_t count = images * shape.out_size();
  launch(forward_kernel<double>, elements_grid(count), x, y, argmax, count, shape);
}
void max_pool2d_backward(const float* dy, const uint8_t* argmax, float* dx, int64_t images,
                         const MaxPool2dShape& shape) noexcept {
  const int64_t count = images * shape.in_size();
  launch(backward_kernel<float>, elements_grid(count), dy, argmax, dx, count, shape);
}
void max_pool2d_backward(const double* dy, const uint8_t* argmax, double* dx, int64_t images,
                         const MaxPool2dShape& shape) noexcept {
  const int64_t count = images * shape.in_size();
  launch(backward_kernel<double>, elements_grid(count), dy, argmax, dx, count, shape);
}

}  // namespace espalier::cuda
