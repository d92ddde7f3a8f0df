// Resources (scripts/checks/cuda_resources):
//   forward_kernel     40     0  128  0.75
//   input_kernel       48     0  128  0.62
//   parameters_kernel  48  4096  512  0.50
#include "kernels/layer_norm/layer_norm.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
struct Operands {
  const T *x, *gamma;
  int64_t rows, width;
};

// A warp a row. The row is read three times; it is in a cache after the first.
template <class T>
__global__ void forward_kernel(Operands<T> in, const T* beta, T* y, T* mean, T* rstd, T eps) {
  const int64_t r = row_index(), width = in.width;
  if (r >= in.rows) return;
  const T* x = in.x + r * width;
  y += r * width;
  T sum = 0, squares = 0;
  for (int64_t i = lane_id(); i < width; i += warp_size) sum += x[i];
  const T m = warp_sum(sum) / static_cast<T>(width);
  for (int64_t i = lane_id(); i < width; i += warp_size)
    squares = multiply_add(x[i] - m, x[i] - m, squares);
  const T s = 1 / sqrt(warp_sum(squares) / static_cast<T>(width) + eps);
  for (int64_t i = lane_id(); i < width; i += warp_size)
    y[i] = multiply_add((x[i] - m) * s, in.gamma[i], beta[i]);
  if (mean && lane_id() == 0) mean[r] = m, rstd[r] = s;
}

// dx, a warp a row.
template <class T>
__global__ void input_kernel(Operands<T> in, const T* mean, const T* rstd, const T* dy, T* dx) {
  const int64_t r = row_index(), width = in.width;
  if (r >= in.rows) return;
  const T* x = in.x + r * width;
  dy += r * width, dx += r * width;
  const T m = mean[r], s = rstd[r];
  T sum = 0, dot = 0;
  for (int64_t i = lane_id(); i < width; i += warp_size) {
    const T g = dy[i] * in.gamma[i];
    sum += g;
    dot = multiply_add(g, (x[i] - m) * s, dot);
  }
  sum = warp_sum(sum) / static_cast<T>(width);
  dot = warp_sum(dot) / static_cast<T>(width);
  for (int64_t i = lane_id(); i < width; i += warp_size)
    dx[i] = s * multiply_add((m - x[i]) * s, dot, dy[i] * in.gamma[i] - sum);
}

constexpr unsigned column_threads = 512;

template <class T>
struct Slots {
  T values[column_threads];
};

// dgamma and dbeta: a lane a column, each warp every 16th row, the warps' sums in their order.
template <class T>
__global__ void parameters_kernel(Operands<T> in, const T* mean, const T* rstd, const T* dy,
                                  T* dgamma, T* dbeta) {
  T* slots = shared_memory<Slots<T>>().values;
  const int64_t i = int64_t{blockIdx.x} * warp_size + lane_id();
  const bool inside = i < in.width;
  T gamma_sum = 0, beta_sum = 0;
  for (int64_t r = warp_id(); inside && r < in.rows; r += column_threads / warp_size) {
    const T g = dy[r * in.width + i];
    gamma_sum = multiply_add(g, (in.x[r * in.width + i] - mean[r]) * rstd[r], gamma_sum);
    beta_sum += g;
  }
  gamma_sum = fold_warps(gamma_sum, slots, Add());
  beta_sum = fold_warps(beta_sum, slots, Add());
  if (warp_id() == 0 && inside) dgamma[i] += gamma_sum, dbeta[i] += beta_sum;
}

template <class T>
void backward(const Operands<T>& in, const T* mean, const T* rstd, const T* dy, T* dx, T* dgamma,
              T* dbeta) noexcept {
  // First, since dx may stand where dy does.
  if (dgamma && in.rows > 0)
    launch(parameters_kernel<T>,
           {.blocks_x = divide_up(in.width, warp_size), .threads = column_threads}, in, mean, rstd,
           dy, dgamma, dbeta);
  launch(input_kernel<T>, rows_grid(in.rows), in, mean, rstd, dy, dx);
}

}  // namespace

void layer_norm_forward(const float* x, const float* gamma, const float* beta, float* y,
                        float* mean, float* rstd, int64_t rows, int64_t width, float eps) noexcept {
  launch(forward_kernel<float>, rows_grid(rows), Operands<float>{x, gamma, rows, width}, beta, y,
         mean, rstd, eps);
}
void layer_norm_forward(const double* x, const double* gamma, const double* beta, double* y,
                        double* mean, double* rstd, int64_t rows, int64_t width,
                        double eps) noexcept {
  launch(forward_kernel<double>, rows_grid(rows), Operands<double>{x, gamma, rows, width}, beta, y,
         mean, rstd, eps);
}
void layer_norm_backward(const float* x, const float* gamma, const float* mean, const float* rstd,
                         const float* dy, float* dx, float* dgamma, float* dbeta, int64_t rows,
                         int64_t width) noexcept {
  backward<float>({x, gamma, rows, width}, mean, rstd, dy, dx, dgamma, dbeta);
}
void layer_norm_backward(const double* x, const double* gamma, const double* mean,
                         const double* rstd, const double* dy, double* dx, double* dgamma,
                         double* dbeta, int64_t rows, int64_t width) noexcept {
  backward<double>({x, gamma, rows, width}, mean, rstd, dy, dx, dgamma, dbeta);
}

}  // namespace espalier::cuda
