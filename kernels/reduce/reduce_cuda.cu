// Resources (scripts/checks/cuda_resources):
//   rows_kernel       40     0  128  0.75
//   long_rows_kernel  40   256  256  0.75
//   columns_kernel    40  4096  512  0.75
//   argmax_kernel     24     0  128  1.00
#include "kernels/reduce/reduce_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

struct Combine {
  ReduceOp op;
  template <class T>
  __device__ T operator()(T a, T b) const {
    return reduce_combine(op, a, b);
  }
};

// A warp a row.
template <class T>
__global__ void rows_kernel(Combine combine, const T* x, T* y, int64_t rows, int64_t width,
                            int64_t row_stride) {
  const int64_t r = row_index();
  if (r >= rows) return;
  x += r * row_stride;
  T total = reduce_neutral<T>(combine.op);
  for (int64_t i = lane_id(); i < width; i += warp_size) total = combine(total, x[i]);
  total = warp_reduce(total, combine);
  if (lane_id() == 0) y[r] = total;
}

constexpr int64_t long_row = 4096;  // whose rows take a block each
constexpr unsigned long_row_threads = 256, column_threads = 512;

template <class T>
struct WarpSlots {
  T values[warp_size];
};

template <class T>
__global__ void long_rows_kernel(Combine combine, const T* x, T* y, int64_t width,
                                 int64_t row_stride) {
  x += blockIdx.x * row_stride;
  const T neutral = reduce_neutral<T>(combine.op);
  T total = neutral;
  for (int64_t i = threadIdx.x; i < width; i += long_row_threads) total = combine(total, x[i]);
  total = block_reduce(total, neutral, shared_memory<WarpSlots<T>>().values, combine);
  if (threadIdx.x == 0) y[blockIdx.x] = total;
}

template <class T>
struct ThreadSlots {
  T values[column_threads];
};

// A lane a column, each warp every 16th row, then the warps' results in their order.
template <class T>
__global__ void columns_kernel(Combine combine, const T* x, T* y, int64_t rows, int64_t width,
                               int64_t row_stride) {
  const int64_t i = int64_t{blockIdx.x} * warp_size + lane_id();
  T total = reduce_neutral<T>(combine.op);
  for (int64_t r = warp_id(); i < width && r < rows; r += column_threads / warp_size)
    total = combine(total, x[r * row_stride + i]);
  total = fold_warps(total, shared_memory<ThreadSlots<T>>().values, combine);
  if (warp_id() == 0 && i < width) y[i] = total;
}

// Whether value a at index i comes before value b at index k: NaN over numbers, then the greater,
// then the first.
template <class T>
__device__ bool wins(T a, int64_t i, T b, int64_t k) {
  const bool a_nan = a != a, b_nan = b != b;
  if (a_nan != b_nan) return a_nan;
  if (!a_nan && a != b) return a > b;
  return i < k;
}

// A warp a row. Lanes past the row's end hold its first element.
template <class T>
__global__ void argmax_kernel(const T* x, int64_t* index, int64_t rows, int64_t width,
                              int64_t row_stride) {
  const int64_t r = row_index();
  if (r >= rows) return;
  x += r * row_stride;
  int64_t at = lane_id() < width ? int64_t{lane_id()} : 0;
  T best = x[at];
  for (int64_t i = at + warp_size; i < width; i += warp_size)
    if (wins(x[i], i, best, at)) best = x[i], at = i;
  for (unsigned distance = warp_size / 2; distance > 0; distance /= 2) {
    const T other = shuffle_xor(best, distance);
    const int64_t other_at = shuffle_xor(at, distance);
    if (wins(other, other_at, best, at)) best = other, at = other_at;
  }
  if (lane_id() == 0) index[r] = at;
}

template <class T>
void along_rows(ReduceOp op, const T* x, T* y, int64_t rows, int64_t width,
                int64_t row_stride) noexcept {
  if (width >= long_row)
    launch(long_rows_kernel<T>,
           {.blocks_x = static_cast<unsigned>(rows), .threads = long_row_threads}, Combine{op}, x,
           y, width, row_stride);
  else
    launch(rows_kernel<T>, rows_grid(rows), Combine{op}, x, y, rows, width, row_stride);
}

}  // namespace

void reduce_rows(ReduceOp op, const float* x, float* y, int64_t rows, int64_t width,
                 int64_t row_stride) noexcept {
  along_rows(op, x, y, rows, width, row_stride);
}
void reduce_rows(ReduceOp op, const double* x, double* y, int64_t rows, int64_t width,
                 int64_t row_stride) noexcept {
  along_rows(op, x, y, rows, width, row_stride);
}
void reduce_columns(ReduceOp op, const float* x, float* y, int64_t rows, int64_t width,
                    int64_t row_stride) noexcept {
  launch(columns_kernel<float>,
         {.blocks_x = divide_up(width, warp_size), .threads = column_threads}, Combine{op}, x, y,
         rows, width, row_stride);
}
void reduce_columns(ReduceOp op, const double* x, double* y, int64_t rows, int64_t width,
                    int64_t row_stride) noexcept {
  launch(columns_kernel<double>,
         {.blocks_x = divide_up(width, warp_size), .threads = column_threads}, Combine{op}, x, y,
         rows, width, row_stride);
}
void argmax_rows(const float* x, int64_t* index, int64_t rows, int64_t width,
                 int64_t row_stride) noexcept {
  launch(argmax_kernel<float>, rows_grid(rows), x, index, rows, width, row_stride);
}
void argmax_rows(const double* x, int64_t* index, int64_t rows, int64_t width,
                 int64_t row_stride) noexcept {
  launch(argmax_kernel<double>, rows_grid(rows), x, index, rows, width, row_stride);
}

}  // namespace espalier::cuda
