// Products by cuBLASLt of operands whose rows follow k, as tensor cores take them:
//
//   C[m, n] = sum_k A[m, k] B[n, k]
//
// of bf16 or f16 with sums in f32, and of s8 with the exact sums in s32: the baseline of gemm_mma
// and gemm_s8. cuBLASLt multiplies s8 where N, K and the rows' steps are multiples of 4.
#pragma once

#include <memory>

#include "engine/device.h"
#include "engine/dtype.h"

namespace espalier::cuda {

struct CublasLtShape {
  int64_t M, N, K;
  int64_t a_row_stride, b_row_stride, c_row_stride;  // in elements
};

// One product, for which cuBLASLt has chosen its algorithm.
class CublasLtProduct {
 public:
  // A device error where cuBLASLt is absent or has no algorithm, an argument error for another type
  // and for a product of s8 that it does not take.
  CublasLtProduct(Device device, DType type, const CublasLtShape& shape);
  ~CublasLtProduct();

  // On the device's stream; C is f32, or s32 for s8.
  void run(const void* A, const void* B, void* C);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace espalier::cuda
