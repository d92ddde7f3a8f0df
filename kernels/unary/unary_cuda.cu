// Resources (scripts/checks/cuda_resources):
//   forward_kernel   32  0  256  1.00
//   backward_kernel  32  0  256  1.00
#include "kernels/simt/simt.h"
#include "kernels/unary/unary_scalar.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void forward_kernel(UnaryOp op, const T* x, T* y, int64_t count) {
  const int64_t i = element_index();
  if (i < count) y[i] = unary_value(op, x[i]);
}

template <class T>
__global__ void backward_kernel(UnaryOp op, const T* saved, const T* dy, T* dx, int64_t count) {
  const int64_t i = element_index();
  if (i < count) dx[i] = unary_slope(op, saved[i], dy[i]);
}

}  // namespace

void unary_forward(UnaryOp op, const float* x, float* y, int64_t count) noexcept {
  launch(forward_kernel<float>, elements_grid(count), op, x, y, count);
}
void unary_forward(UnaryOp op, const double* x, double* y, int64_t count) noexcept {
  launch(forward_kernel<double>, elements_grid(count), op, x, y, count);
}
void unary_backward(UnaryOp op, const float* saved, const float* dy, float* dx,
                    int64_t count) noexcept {
  launch(backward_kernel<float>, elements_grid(count), op, saved, dy, dx, count);
}
void unary_backward(UnaryOp op, const double* saved, const double* dy, double* dx,
                    int64_t count) noexcept {
  launch(backward_kernel<double>, elements_grid(count), op, saved, dy, dx, count);
}

}  // namespace espalier::cuda
