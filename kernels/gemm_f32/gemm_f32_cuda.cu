// Resources (scripts/checks/cuda_resources):
//   multiply_kernel  168  34816  256  0.12
//   add_rows_kernel   40   8448  1024  0.50
#include "kernels/gemm_f32/gemm_f32_simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T, unsigned groups>
__global__ void __launch_bounds__(squares::block_threads)
    multiply_kernel(const __grid_constant__ GemmBatch<T> g, int64_t terms) {
  squares::multiply<T, groups>(g, GemmOperand<T>{g.B, g.b_n_stride, g.b_k_stride}, terms);
}

constexpr unsigned sum_threads = 1024, sum_warps = sum_threads / warp_size;

// A block takes 32 columns, each warp every 32nd row of them.
template <class T>
__global__ void add_rows_kernel(const T* x, int64_t rows, int64_t width, T* sum, bool accumulate) {
  struct Partial {
    T of_warp[sum_warps][warp_size + 1];
  };
  Partial& partial = shared_memory<Partial>();
  const int64_t column = int64_t{blockIdx.x} * warp_size + lane_id();
  T own = 0;
  if (column < width)
    for (int64_t r = warp_id(); r < rows; r += sum_warps) own += x[r * width + column];
  partial.of_warp[warp_id()][lane_id()] = own;
  sync_block();
  // Turned, so that a warp sums a column.
  const T total = warp_sum(partial.of_warp[lane_id()][warp_id()]);
  const int64_t of_warp = int64_t{blockIdx.x} * warp_size + warp_id();
  if (lane_id() == 0 && of_warp < width) sum[of_warp] = accumulate ? sum[of_warp] + total : total;
}

}  // namespace

template <>
void gemm_run_batch<float>(const GemmBatch<float>& g) noexcept {
  const Grid large = squares::grid<2>(g);
  if (large.blocks_x >= squares::fill_a_gpu)
    launch(multiply_kernel<float, 2>, large, g, count_of(g.terms));
  else
    launch(multiply_kernel<float, 1>, squares::grid<1>(g), g, count_of(g.terms));
}
template <>
void gemm_run_batch<double>(const GemmBatch<double>& g) noexcept {
  launch(multiply_kernel<double, 1>, squares::grid<1>(g), g, count_of(g.terms));
}

template <class T>
void gemm_add_rows(const T* x, int64_t rows, int64_t width, T* sum, bool accumulate) noexcept {
  launch(add_rows_kernel<T>, {.blocks_x = divide_up(width, warp_size), .threads = sum_threads}, x,
         rows, width, sum, accumulate);
}
template GemmAddRows<float> gemm_add_rows<float>;
template GemmAddRows<double> gemm_add_rows<double>;

}  // namespace espalier::cuda
