// Resources (scripts/checks/cuda_resources):
//   multiply_kernel  168  34816  256  0.12
//   add_rows_kernel   40   8448  1024  0.50
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_f32/gemm_repeats_simt.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

constexpr unsigned block_threads = 256;
constexpr unsigned slice = 16;  // values of k that shared memory holds at a time
constexpr unsigned vector = 4;  // values that a thread reads from there at a time

template <class T>
struct alignas(vector * sizeof(T)) Vector {
  T values[vector];
};

// A block computes a square of C of 64 * groups, its eight warps in four rows of two and a warp's
// lanes in four rows of eight. A thread has groups x groups squares of `vector` on a side.
template <unsigned groups>
struct Square {
  static constexpr unsigned side = 64 * groups;
  static constexpr unsigned row_gap = 4 * vector, column_gap = 8 * vector;

  __device__ static unsigned first_row() {
    return warp_id() / 2 * row_gap * groups + lane_id() / 8 * vector;
  }
  __device__ static unsigned first_column() {
    return warp_id() % 2 * column_gap * groups + lane_id() % 8 * vector;
  }
};

// Slices of both operands, k outermost. The `vector` more values spread a column over the banks.
template <class T, unsigned groups>
struct Slices {
  static constexpr unsigned stride = Square<groups>::side + vector;
  T a[slice][stride], b[slice][stride];
};

// The part of an operand that a thread carries from global to shared memory. Neighbours read along
// k where it is contiguous, else across it.
template <class T, unsigned groups>
struct Carrier {
  static constexpr unsigned side = Square<groups>::side, count = slice * side / block_threads;
  int64_t stride, k_stride, left;  // of `side` rows (columns of B), those that there are
  unsigned row, k, row_step, k_step;
  T values[count];

  __device__ Carrier(int64_t across, int64_t along, int64_t rows)
      : stride(across), k_stride(along), left(rows) {
    const bool along_k = k_stride == 1;
    row = along_k ? threadIdx.x / slice : threadIdx.x % side;
    k = along_k ? threadIdx.x % slice : threadIdx.x / side;
    row_step = along_k ? block_threads / slice : 0;
    k_step = along_k ? 0 : block_threads / side;
  }

  __device__ void load(const T* from, int64_t k_left) {
    ESPALIER_UNROLL
    for (unsigned i = 0; i < count; ++i) {
      const unsigned r = row + i * row_step, at = k + i * k_step;
      values[i] = r < left && at < k_left ? from[r * stride + at * k_stride] : T(0);
    }
  }
  template <unsigned width>
  __device__ void store(T (&to)[slice][width]) const {
    ESPALIER_UNROLL
    for (unsigned i = 0; i < count; ++i) to[k + i * k_step][row + i * row_step] = values[i];
  }
};

// A thread's part of the square.
template <class T, unsigned groups>
struct Sums {
  T values[groups * vector][groups * vector];

  template <class F>
  __device__ void each(int64_t rows, int64_t columns, F f) {
    ESPALIER_UNROLL
    for (unsigned i = 0; i < groups * vector; ++i) ESPALIER_UNROLL
    for (unsigned j = 0; j < groups * vector; ++j) {
      const unsigned row = i / vector * Square<groups>::row_gap + i % vector;
      const unsigned column = j / vector * Square<groups>::column_gap + j % vector;
      if (row < rows && column < columns) f(values[i][j], row, column);
    }
  }
  __device__ void add_products(const T* a, const T* b) {
    Vector<T> left[groups], right[groups];
    ESPALIER_UNROLL
    for (unsigned g = 0; g < groups; ++g) {
      left[g] = *reinterpret_cast<const Vector<T>*>(a + g * Square<groups>::row_gap);
      right[g] = *reinterpret_cast<const Vector<T>*>(b + g * Square<groups>::column_gap);
    }
    ESPALIER_UNROLL
    for (unsigned i = 0; i < groups * vector; ++i) ESPALIER_UNROLL
    for (unsigned j = 0; j < groups * vector; ++j)
      values[i][j] = multiply_add(left[i / vector].values[i % vector],
                                  right[j / vector].values[j % vector], values[i][j]);
  }
  __device__ void add_slice(const Slices<T, groups>& from, int64_t k_left) {
    const T* a = from.a[0] + Square<groups>::first_row();
    const T* b = from.b[0] + Square<groups>::first_column();
    constexpr unsigned stride = Slices<T, groups>::stride;
    if (k_left >= slice) {
      ESPALIER_UNROLL
      for (unsigned k = 0; k < slice; ++k) add_products(a + k * stride, b + k * stride);
    } else {
      ESPALIER_NO_UNROLL
      for (unsigned k = 0; k < k_left; ++k) add_products(a + k * stride, b + k * stride);
    }
  }
};

template <class T, unsigned groups>
__global__ void __launch_bounds__(block_threads)
    multiply_kernel(const __grid_constant__ GemmBatch<T> g, int64_t terms) {
  struct Buffers {
    Slices<T, groups> slices[2];
  };
  Buffers& buffers = shared_memory<Buffers>();
  constexpr unsigned side = Square<groups>::side;
  const int64_t columns = (g.N + side - 1) / side, rows = (g.M + side - 1) / side;
  const int64_t m = blockIdx.x / columns % rows * side, n = blockIdx.x % columns * side;
  const GemmOffsets product(g.products, blockIdx.x / columns / rows);
  const T* const A = g.A + product.a + m * g.a_row_stride;
  const T* const B = g.B + product.b + n * g.b_n_stride;

  const int64_t m_left = g.M - m - Square<groups>::first_row();
  const int64_t n_own = n + Square<groups>::first_column(), n_left = g.N - n_own;
  T* const C = g.C + product.c + (m + Square<groups>::first_row()) * g.c_row_stride + n_own;
  Sums<T, groups> sums = {};
  if (g.accumulate)
    sums.each(m_left, n_left,
              [&](T& sum, unsigned i, unsigned j) { sum = C[i * g.c_row_stride + j]; });
  if (g.bias)
    sums.each(m_left, n_left, [&](T& sum, unsigned, unsigned j) { sum += g.bias[n_own + j]; });

  Carrier<T, groups> a(g.a_row_stride, g.a_k_stride, g.M - m);
  Carrier<T, groups> b(g.b_n_stride, g.b_k_stride, g.N - n);
  const int64_t slices = (g.K + slice - 1) / slice, steps = slices * terms;
  const auto load = [&](int64_t step) {
    const GemmOffsets term(g.terms, step / slices);
    const int64_t k = step % slices * slice;
    a.load(A + term.a + k * g.a_k_stride, g.K - k);
    b.load(B + term.b + k * g.b_k_stride, g.K - k);
  };
  if (steps > 0) load(0);
  for (int64_t step = 0; step < steps; ++step) {
    Slices<T, groups>& now = buffers.slices[step % 2];
    a.store(now.a), b.store(now.b);
    sync_block();  // and whoever stores into this buffer again has passed the next one
    if (step + 1 < steps) load(step + 1);
    sums.add_slice(now, g.K - step % slices * slice);
  }
  sums.each(m_left, n_left,
            [&](T& sum, unsigned i, unsigned j) { C[i * g.c_row_stride + j] = sum; });
}

template <class T, unsigned groups>
int64_t blocks_of(const GemmBatch<T>& g) {
  constexpr unsigned side = Square<groups>::side;
  return int64_t{divide_up(g.M, side)} * divide_up(g.N, side) * count_of(g.products);
}

template <class T, unsigned groups>
void launch_squares(const GemmBatch<T>& g) {
  launch(multiply_kernel<T, groups>,
         {.blocks_x = static_cast<unsigned>(blocks_of<T, groups>(g)), .threads = block_threads}, g,
         count_of(g.terms));
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
  constexpr int64_t fill_a_gpu = 128;  // blocks that keep the multiprocessors of one at work
  if (blocks_of<float, 2>(g) >= fill_a_gpu)
    launch_squares<float, 2>(g);
  else
    launch_squares<float, 1>(g);
}
template <>
void gemm_run_batch<double>(const GemmBatch<double>& g) noexcept {
  launch_squares<double, 1>(g);
}

template <class T>
void gemm_add_rows(const T* x, int64_t rows, int64_t width, T* sum, bool accumulate) noexcept {
  launch(add_rows_kernel<T>, {.blocks_x = divide_up(width, warp_size), .threads = sum_threads}, x,
         rows, width, sum, accumulate);
}
template GemmAddRows<float> gemm_add_rows<float>;
template GemmAddRows<double> gemm_add_rows<double>;

}  // namespace espalier::cuda
