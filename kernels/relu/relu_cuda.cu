// Resources (scripts/checks/cuda_resources):
//   forward_kernel   16  0  256  1.00
//   backward_kernel  16  0  256  1.00
#include "kernels/relu/relu.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void forward_kernel(const T* x, T* y, int64_t count) {
  const int64_t i = element_index();
  if (i < count) y[i] = x[i] < 0 ? T(0) : x[i];
}

template <class T>
__global__ void backward_kernel(const T* y, const T* dy, T* dx, int64_t count) {
  const int64_t i = element_index();
  if (i < count) dx[i] = y[i] > 0 ? dy[i] : T(0);
}

}  // namespace

void relu_forward(const float* x, float* y, int64_t count) noexcept {
  launch(forward_kernel<float>, elements_grid(count), x, y, count);
}
void relu_forward(const double* x, double* y, int64_t count) noexcept {
  launch(forward_kernel<double>, elements_grid(count), x, y, count);
}
void relu_backward(const float* y, const float* dy, float* dx, int64_t count) noexcept {
  launch(backward_kernel<float>, elements_grid(count), y, dy, dx, count);
}
void relu_backward(const double* y, const double* dy, double* dx, int64_t count) noexcept {
  launch(backward_kernel<double>, elements_grid(count), y, dy, dx, count);
}

}  // namespace espalier::cuda
