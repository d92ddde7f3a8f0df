// Products of floats on a GPU's tensor cores (sm_80 and later), with what follows them fused in.
//
//   C[m, n] = residual[m, n] + f(bias[n] + sum_k A[m, k] B[n, k])     f: x, or gelu(x) in erf form
//
// where a batch of products, each the sum of `terms`, is one launch (kernels/gemm_f32/gemm_f32.h).
// Elements of A and B are bf16, f16, or float of which 10 bits of mantissa count, rounded to
// nearest (tf32). Products are exact; a sum of K of them in fp32 is within K 2^-22 of the sum of
// their magnitudes, since tensor cores drop the bits of a sum that they cannot hold. No value of K,
// N or M is too odd; rows of A and B that start on boundaries of 16 bytes are read faster.
//
// gemm_mma_rounding is for operands of float at any strides, rounded to bf16 or f16 on the way: in
// bf16 the product of kernels/gemm_bf16. In f16 what lies past 65504 becomes infinite.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/half.h"

namespace espalier::cuda {

// What becomes of the sums. The residual lies as C does, and may be C.
struct GemmEpilogue {
  float* C = nullptr;
  int64_t c_row_stride = 0;
  const float* bias = nullptr;
  const float* residual = nullptr;
  bool gelu = false;
};

template <class Element>
struct GemmMma {
  int64_t M = 0, N = 0, K = 0;
  const Element* A = nullptr;
  int64_t a_row_stride = 0;
  const Element* B = nullptr;
  int64_t b_row_stride = 0;
  GemmRepeats products = {}, terms = {};
  GemmEpilogue out = {};
};

// For BFloat16, Float16 and float (tf32).
template <class Element>
using GemmMmaRun = void(const GemmMma<Element>& gemm) noexcept;
template <class Element>
GemmMmaRun<Element> gemm_mma;

// To BFloat16 or Float16. The bias is added to the start of each sum, as elsewhere.
template <class Element>
GemmRunBatch<float> gemm_mma_rounding;

}  // namespace espalier::cuda
