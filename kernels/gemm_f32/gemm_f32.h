// General matrix multiplication with a packed right-hand side.
//
//   C[m, n] = start + sum_k A[m, k] * B[k, n],   0 <= m < M, 0 <= n < N
//   start   = (accumulate ? C[m, n] : 0) + (bias ? bias[n] : 0)
//
// B is packed once into panels of `panel` columns: panel p holds columns p * panel and up, row k of
// it `panel` consecutive values, columns past N filled with zeros. B and A are read through a
// stride for each dimension, so their transposes cost no copy of their own.
//
// Each C[m, n] is one chain from `start`, k ascending: a fused multiply-add per k in the SIMD rows,
// a product and a sum in the scalar row. Its bits therefore depend neither on M and N nor on the
// SIMD row, and a caller may split rows, panels (gemm_panels) and, by accumulating, K as it likes.
//
// Contract: M, N, K >= 0. No alignment is assumed; packed panels run best on a 64-byte boundary. C
// overlaps no other operand. Only the named elements are read or written. K in one call is best
// kept to a few hundred when A is transposed, so that the panels stay in cache.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

template <class T>
struct Gemm {
  int64_t M = 0, N = 0, K = 0;
  const T* A = nullptr;
  int64_t a_row_stride = 0, a_k_stride = 0;  // A[m, k] = A[m * a_row_stride + k * a_k_stride]
  const T* packed_b = nullptr;
  T* C = nullptr;
  int64_t c_row_stride = 0;  // C[m, n] = C[m * c_row_stride + n]
  const T* bias = nullptr;   // N values, or none
  bool accumulate = false;
};

// B[k, n] = B[k * k_stride + n * n_stride], packed into packed_size() values of the row.
template <class T>
using GemmPackB = void(const T* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                       T* packed) noexcept;
template <class T>
using GemmRun = void(const Gemm<T>& gemm) noexcept;

// A row also serves products whose panels hold something narrower than T (kernels/gemm_bf16):
// `k_group` values of k, the last group filled up, then take the place of `group_places` T, which
// nobody but the row reads.
template <class T>
struct GemmKernel {
  Isa isa;
  int panel;
  GemmPackB<T>* pack_b;
  GemmRun<T>* run;
  int k_group = 1, group_places = 1;

  // Values of T (not bytes) that K x N of B take when packed.
  constexpr int64_t packed_size(int64_t K, int64_t N) const noexcept {
    return (N + panel - 1) / panel * panel * ((K + k_group - 1) / k_group) * group_places;
  }
};

// Rows of the table, best first; that for double holds the scalar reference alone.
template <class T>
std::span<const GemmKernel<T>> gemm_kernels() noexcept;

// Columns of a packed panel for one instruction set.
constexpr int gemm_f32_panel(Isa isa) noexcept {
  return isa >= Isa::avx512 ? 32 : isa == Isa::scalar ? 8 : 16;
}

constexpr ESPALIER_INLINE int64_t gemm_panel_count(int panel, int64_t N) noexcept {
  return (N + panel - 1) / panel;
}

// Values (not bytes) that K x N of B take when packed.
constexpr ESPALIER_INLINE int64_t gemm_packed_size(int panel, int64_t K, int64_t N) noexcept {
  return gemm_panel_count(panel, N) * panel * K;
}

// The part of `gemm` that computes panels [first, last) of its columns, as `row` packs them.
template <class T>
constexpr Gemm<T> gemm_panels(Gemm<T> gemm, const GemmKernel<T>& row, int64_t first,
                              int64_t last) noexcept {
  const int64_t begin = first * row.panel;
  const int64_t end = last * row.panel < gemm.N ? last * row.panel : gemm.N;
  gemm.packed_b += row.packed_size(gemm.K, begin);
  gemm.C += begin;
  if (gemm.bias) gemm.bias += begin;
  gemm.N = end - begin;
  return gemm;
}

// The part of `gemm` that computes rows [first, last).
template <class T>
constexpr Gemm<T> gemm_rows(Gemm<T> gemm, int64_t first, int64_t last) noexcept {
  gemm.A += first * gemm.a_row_stride;
  gemm.C += first * gemm.c_row_stride;
  gemm.M = last - first;
  return gemm;
}

ESPALIER_DECLARE_ISAS(GemmPackB<float> gemm_pack_b; GemmRun<float> gemm_run;)

namespace cuda {

// Dimensions over which a product repeats, row-major: how often, and each operand's step, in
// elements.
struct GemmRepeats {
  int rank = 0;
  struct Dimension {
    int64_t count, a, b, c;
  } dimensions[8];
};

// On a GPU B is not packed, and one launch takes a whole batch of products, each the sum of
// `terms`:
//
//   C[i, m, n] = start + sum_t sum_k A[i, t, m, k] * B[i, t, k, n]
//
// Each C[i, m, n] is the chain of fused multiply-adds of the SIMD rows, t ascending and in it k.
template <class T>
struct GemmBatch {
  int64_t M = 0, N = 0, K = 0;
  const T* A = nullptr;
  int64_t a_row_stride = 0, a_k_stride = 0;
  const T* B = nullptr;
  int64_t b_k_stride = 0, b_n_stride = 0;
  T* C = nullptr;
  int64_t c_row_stride = 0;
  const T* bias = nullptr;
  bool accumulate = false;
  GemmRepeats products, terms;  // c is 0 in terms
};
template <class T>
using GemmRunBatch = void(const GemmBatch<T>& gemm) noexcept;
// sum[n] (+)= x[0, n] + ... + x[rows - 1, n], by a fixed tree.
template <class T>
using GemmAddRows = void(const T* x, int64_t rows, int64_t width, T* sum, bool accumulate) noexcept;

template <class T>
GemmRunBatch<T> gemm_run_batch;
template <class T>
GemmAddRows<T> gemm_add_rows;

}  // namespace cuda

}  // namespace espalier
