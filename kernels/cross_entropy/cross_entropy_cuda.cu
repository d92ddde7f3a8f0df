// Resources (scripts/checks/cuda_resources):
//   forward_kernel   56  0  128  0.56
//   backward_kernel  64  0  128  0.50
#include "kernels/cross_entropy/cross_entropy_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__device__ T largest_of(const T* x, int64_t classes) {
  T largest = x[0];
  for (int64_t j = lane_id(); j < classes; j += warp_size) largest = Maximum()(x[j], largest);
  return warp_maximum(largest);
}

// A warp a row.
template <class T>
__global__ void forward_kernel(const T* x, CrossEntropyTarget<T> target, T* loss, int64_t rows,
                               int64_t classes) {
  const int64_t r = row_index();
  if (r >= rows) return;
  x += r * classes;
  const T largest = largest_of(x, classes);
  T sum = 0;
  for (int64_t j = lane_id(); j < classes; j += warp_size) sum += exp(x[j] - largest);
  const T log_sum = log(warp_sum(sum));
  T total = 0 * log_sum;  // NaN where the row has no softmax
  for (int64_t j = lane_id(); j < classes; j += warp_size)
    if (const T q = smoothed(target, r, j, classes); q != 0)
      total += q * (log_sum + (largest - x[j]));
  total = warp_sum(total);
  if (lane_id() == 0) loss[r] = total;
}

template <class T>
__global__ void backward_kernel(const T* x, CrossEntropyTarget<T> target, T scale, T* dx,
                                int64_t rows, int64_t classes) {
  const int64_t r = row_index();
  if (r >= rows) return;
  x += r * classes, dx += r * classes;
  const T largest = largest_of(x, classes);
  T sum = 0, mass = 0;
  for (int64_t j = lane_id(); j < classes; j += warp_size) {
    sum += dx[j] = exp(x[j] - largest);
    mass += smoothed(target, r, j, classes);
  }
  sum = warp_sum(sum);
  mass = warp_sum(mass);
  for (int64_t j = lane_id(); j < classes; j += warp_size)
    dx[j] = scale * (mass * dx[j] / sum - smoothed(target, r, j, classes));
}

}  // namespace

void cross_entropy_forward(const float* x, const CrossEntropyTarget<float>& target, float* loss,
                           int64_t rows, int64_t classes) noexcept {
  launch(forward_kernel<float>, rows_grid(rows), x, target, loss, rows, classes);
}
void cross_entropy_forward(const double* x, const CrossEntropyTarget<double>& target, double* loss,
                           int64_t rows, int64_t classes) noexcept {
  launch(forward_kernel<double>, rows_grid(rows), x, target, loss, rows, classes);
}
void cross_entropy_backward(const float* x, const CrossEntropyTarget<float>& target, float scale,
                            float* dx, int64_t rows, int64_t classes) noexcept {
  launch(backward_kernel<float>, rows_grid(rows), x, target, scale, dx, rows, classes);
}
void cross_entropy_backward(const double* x, const CrossEntropyTarget<double>& target, double scale,
                            double* dx, int64_t rows, int64_t classes) noexcept {
  launch(backward_kernel<double>, rows_grid(rows), x, target, scale, dx, rows, classes);
}

}  // namespace espalier::cuda
