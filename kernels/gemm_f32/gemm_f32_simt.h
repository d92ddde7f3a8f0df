// Products of floats and doubles without tensor cores: one skeleton, whatever B is read from.
//
// A block computes a square of C. Slices of 16 values of k go through two places of shared memory:
// threads carry the next one in registers while this one is multiplied. Each sum is the chain of
// fused multiply-adds that kernels/gemm_f32/gemm_f32.h describes.
#pragma once

#include "kernels/gemm_f32/gemm_operand_simt.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda::squares {

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
    return simt::warp_id() / 2 * row_gap * groups + simt::lane_id() / 8 * vector;
  }
  __device__ static unsigned first_column() {
    return simt::warp_id() % 2 * column_gap * groups + simt::lane_id() % 8 * vector;
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
  int64_t left;  // of `side` rows (columns of B), those that there are
  unsigned row, k, row_step, k_step;
  T values[count];

  __device__ Carrier(bool along_k, int64_t rows) : left(rows) {
    row = along_k ? threadIdx.x / slice : threadIdx.x % side;
    k = along_k ? threadIdx.x % slice : threadIdx.x / side;
    row_step = along_k ? block_threads / slice : 0;
    k_step = along_k ? 0 : block_threads / side;
  }

  template <class Operand>
  __device__ void load(const Operand& from, int64_t k_left) {
    ESPALIER_UNROLL
    for (unsigned i = 0; i < count; ++i) {
      const unsigned r = row + i * row_step, at = k + i * k_step;
      values[i] = r < left && at < k_left ? from.read(r, at) : T(0);
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
      values[i][j] = simt::multiply_add(left[i / vector].values[i % vector],
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

// Computes the block's square of `g` with the elements of `all_b` for those of g.B.
template <class T, unsigned groups, class B>
__device__ inline void multiply(const GemmBatch<T>& g, const B& all_b, int64_t terms) {
  struct Buffers {
    Slices<T, groups> slices[2];
  };
  Buffers& buffers = simt::shared_memory<Buffers>();
  constexpr unsigned side = Square<groups>::side;
  const int64_t columns = (g.N + side - 1) / side, rows = (g.M + side - 1) / side;
  const int64_t m = blockIdx.x / columns % rows * side, n = blockIdx.x % columns * side;
  const GemmOffsets product(g.products, blockIdx.x / columns / rows);
  const GemmOperand<T> all_a{g.A, g.a_row_stride, g.a_k_stride};
  const GemmOperand<T> here_a = all_a.from(product.a, m, 0);
  const B here_b = all_b.from(product.b, n, 0);

  const int64_t m_left = g.M - m - Square<groups>::first_row();
  const int64_t n_own = n + Square<groups>::first_column(), n_left = g.N - n_own;
  T* const C = g.C + product.c + (m + Square<groups>::first_row()) * g.c_row_stride + n_own;
  Sums<T, groups> sums = {};
  if (g.accumulate)
    sums.each(m_left, n_left,
              [&](T& sum, unsigned i, unsigned j) { sum = C[i * g.c_row_stride + j]; });
  if (g.bias)
    sums.each(m_left, n_left, [&](T& sum, unsigned, unsigned j) { sum += g.bias[n_own + j]; });

  Carrier<T, groups> a(all_a.along_k(), g.M - m), b(all_b.along_k(), g.N - n);
  const int64_t slices = (g.K + slice - 1) / slice, steps = slices * terms;
  const auto load = [&](int64_t step) {
    const GemmOffsets term(g.terms, step / slices);
    const int64_t k = step % slices * slice;
    a.load(here_a.from(term.a, 0, k), g.K - k);
    b.load(here_b.from(term.b, 0, k), g.K - k);
  };
  if (steps > 0) load(0);
  for (int64_t step = 0; step < steps; ++step) {
    Slices<T, groups>& now = buffers.slices[step % 2];
    a.store(now.a), b.store(now.b);
    simt::sync_block();  // and whoever stores into this buffer again has passed the next one
    if (step + 1 < steps) load(step + 1);
    sums.add_slice(now, g.K - step % slices * slice);
  }
  sums.each(m_left, n_left,
            [&](T& sum, unsigned i, unsigned j) { C[i * g.c_row_stride + j] = sum; });
}

template <unsigned groups, class T>
simt::Grid grid(const GemmBatch<T>& g) {
  constexpr unsigned side = Square<groups>::side;
  const int64_t blocks =
      int64_t{simt::divide_up(g.M, side)} * simt::divide_up(g.N, side) * count_of(g.products);
  return {.blocks_x = static_cast<unsigned>(blocks), .threads = block_threads};
}
// Blocks that keep the multiprocessors of a GPU at work: with fewer large squares, small ones run.
constexpr unsigned fill_a_gpu = 128;

}  // namespace espalier::cuda::squares
