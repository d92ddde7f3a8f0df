// Matrix products over the thread pool: what linear, matmul and their derivatives are made of.
#pragma once

#include <cstdint>

#include "engine/precision.h"
#include "engine/shape.h"
#include "kernels/gemm_bf16/gemm_bf16.h"
#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {

// C[m, n] (+)= sum_k A[m, k] B[k, n] (+ bias[n]): kernels/gemm_f32/gemm_f32.h with B not packed
// yet.
template <class T>
struct MatrixProduct {
  int64_t M = 0, N = 0, K = 0;
  const T* A = nullptr;
  int64_t a_row_stride = 0, a_k_stride = 0;
  const T* B = nullptr;
  int64_t b_k_stride = 0, b_n_stride = 0;
  T* C = nullptr;
  int64_t c_row_stride = 0;
  const T* bias = nullptr;
  bool accumulate = false;
  // bf16 takes float operands rounded, and so does f16, on a GPU alone; double stays double.
  Precision precision = Precision::f32;
};

// One index space over which a product repeats, with the step that each operand takes along each
// dimension, in elements. Rank 0 is a single product.
struct ProductBatch {
  Shape sizes, a, b, c;
};

// Computes the product for every index of `batch`, whose products write apart from each other; each
// is the sum over every index of `terms` (where c steps are zero), taken in order. Work is split by
// problem size and each element of C is summed in one order, so the bits are the same for any
// number of threads. Instantiated for float and double.
template <class T>
void multiply(MatrixProduct<T> product, ProductBatch batch = {}, ProductBatch terms = {});

// A product whose B is packed already; its rows are dealt to threads, or its panels where the rows
// are too few for that.
template <class T>
void multiply_packed(const GemmKernel<T>& row, const Gemm<T>& gemm);

// sum[n] (+)= x[0, n] + ... + x[rows - 1, n], a bias's gradient: row after row, and on a GPU by a
// fixed tree. Instantiated for float and double.
template <class T>
void add_rows(const T* x, int64_t rows, int64_t width, T* sum, bool accumulate = true);

// The kernels of bf16, which a PrecisionScope brings along: a program that opens none links none.
// Throws std::logic_error before the first.
struct Bf16Kernels {
  std::span<const GemmKernel<float>> gemm;
};
const Bf16Kernels& bf16_kernels();

}  // namespace espalier
