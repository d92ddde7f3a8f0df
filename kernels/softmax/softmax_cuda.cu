// Resources (scripts/checks/cuda_resources):
//   forward_kernel   56  0  128  0.56
//   backward_kernel  40  0  128  0.75
#include "kernels/simt/simt.h"
#include "kernels/softmax/softmax.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void forward_kernel(const T* x, T* y, int64_t rows, int64_t width) {
  const int64_t r = row_index();
  if (r >= rows) return;
  x += r * width, y += r * width;
  T largest = x[0];
  for (int64_t i = lane_id(); i < width; i += warp_size) largest = Maximum()(x[i], largest);
  largest = warp_maximum(largest);
  T sum = 0;
  for (int64_t i = lane_id(); i < width; i += warp_size) sum += y[i] = exp(x[i] - largest);
  sum = warp_sum(sum);
  for (int64_t i = lane_id(); i < width; i += warp_size) y[i] /= sum;
}

template <class T>
__global__ void backward_kernel(const T* y, const T* dy, T* dx, int64_t rows, int64_t width) {
  const int64_t r = row_index();
  if (r >= rows) return;
  y += r * width, dy += r * width, dx += r * width;
  T dot = 0;
  for (int64_t i = lane_id(); i < width; i += warp_size) dot = multiply_add(dy[i], y[i], dot);
  dot = warp_sum(dot);
  for (int64_t i = lane_id(); i < width; i += warp_size) dx[i] = y[i] * (dy[i] - dot);
}

}  // namespace

void softmax_forward(const float* x, float* y, int64_t rows, int64_t width) noexcept {
  launch(forward_kernel<float>, rows_grid(rows), x, y, rows, width);
}
void softmax_forward(const double* x, double* y, int64_t rows, int64_t width) noexcept {
  launch(forward_kernel<double>, rows_grid(rows), x, y, rows, width);
}
void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows,
                      int64_t width) noexcept {
  launch(backward_kernel<float>, rows_grid(rows), y, dy, dx, rows, width);
}
void softmax_backward(const double* y, const double* dy, double* dx, int64_t rows,
                      int64_t width) noexcept {
  launch(backward_kernel<double>, rows_grid(rows), y, dy, dx, rows, width);
}

}  // namespace espalier::cuda
