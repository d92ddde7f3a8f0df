// Eigen's matrix product, compiled for one instruction set: the baseline of the GEMM benchmark.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// C = A B, row-major and contiguous, on the calling thread.
using EigenGemm = void(int64_t M, int64_t N, int64_t K, const float* A, const float* B, float* C);

ESPALIER_DECLARE_ISAS(EigenGemm eigen_gemm;)

}  // namespace espalier
