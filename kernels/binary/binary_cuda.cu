// Resources (scripts/checks/cuda_resources):
//   binary_kernel  32  0  256  1.00
//   axpby_kernel   16  0  256  1.00
#include "kernels/binary/binary_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

// A thread an element of y.
template <class T>
__global__ void binary_kernel(BinaryOp op, BinaryOperand<T> a, BinaryOperand<T> b, T* y,
                              int64_t count, int64_t width) {
  const int64_t i = element_index();
  if (i >= count) return;
  const int64_t r = i / width, c = i % width;
  y[i] = binary_value(op, a.data[r * a.row_stride + c * a.column_stride],
                      b.data[r * b.row_stride + c * b.column_stride]);
}

template <class T>
__global__ void axpby_kernel(T alpha, const T* x, T beta, T* y, int64_t count) {
  const int64_t i = element_index();
  if (i < count) y[i] = beta == 0 ? alpha * x[i] : multiply_add(alpha, x[i], beta * y[i]);
}

}  // namespace

void binary(BinaryOp op, BinaryOperand<float> a, BinaryOperand<float> b, float* y, int64_t rows,
            int64_t width) noexcept {
  const int64_t count = rows * width;
  launch(binary_kernel<float>, elements_grid(count), op, a, b, y, count, width);
}
void binary(BinaryOp op, BinaryOperand<double> a, BinaryOperand<double> b, double* y, int64_t rows,
            int64_t width) noexcept {
  const int64_t count = rows * width;
  launch(binary_kernel<double>, elements_grid(count), op, a, b, y, count, width);
}
void axpby(float alpha, const float* x, float beta, float* y, int64_t count) noexcept {
  launch(axpby_kernel<float>, elements_grid(count), alpha, x, beta, y, count);
}
void axpby(double alpha, const double* x, double beta, double* y, int64_t count) noexcept {
  launch(axpby_kernel<double>, elements_grid(count), alpha, x, beta, y, count);
}

}  // namespace espalier::cuda
