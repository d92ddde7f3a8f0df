// Resources (scripts/checks/cuda_resources):
//   forward_kernel   32  0  256  1.00
//   training_kernel  32  0  256  1.00
//   backward_kernel  16  0  256  1.00
#include "kernels/gelu/gelu_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void forward_kernel(GeluKind kind, const T* x, T* y, int64_t count) {
  const int64_t i = element_index();
  if (i < count) y[i] = gelu_one(kind, x[i]).y;
}

template <class T>
__global__ void training_kernel(GeluKind kind, const T* x, T* y, T* slope, int64_t count) {
  const int64_t i = element_index();
  if (i >= count) return;
  const Gelu<T> g = gelu_one(kind, x[i]);
  y[i] = g.y;
  slope[i] = g.slope;
}

template <class T>
__global__ void backward_kernel(const T* slope, const T* dy, T* dx, int64_t count) {
  const int64_t i = element_index();
  if (i < count) dx[i] = dy[i] * slope[i];
}

}  // namespace

void gelu_forward(GeluKind kind, const float* x, float* y, int64_t count) noexcept {
  launch(forward_kernel<float>, elements_grid(count), kind, x, y, count);
}
void gelu_forward(GeluKind kind, const double* x, double* y, int64_t count) noexcept {
  launch(forward_kernel<double>, elements_grid(count), kind, x, y, count);
}
void gelu_training(GeluKind kind, const float* x, float* y, float* slope, int64_t count) noexcept {
  launch(training_kernel<float>, elements_grid(count), kind, x, y, slope, count);
}
void gelu_training(GeluKind kind, const double* x, double* y, double* slope,
                   int64_t count) noexcept {
  launch(training_kernel<double>, elements_grid(count), kind, x, y, slope, count);
}
void gelu_backward(const float* slope, const float* dy, float* dx, int64_t count) noexcept {
  launch(backward_kernel<float>, elements_grid(count), slope, dy, dx, count);
}
void gelu_backward(const double* slope, const double* dy, double* dx, int64_t count) noexcept {
  launch(backward_kernel<double>, elements_grid(count), slope, dy, dx, count);
}

}  // namespace espalier::cuda
