// Matrix multiplication with a right-hand side that is stored in half precision: weights of which a
// compiled plan keeps half the bytes.
//
//   C[m, n] = start + sum_k a(A[m, k]) * half(B[k, n]),   start as in kernels/gemm_f32
//
// f16: half() rounds to IEEE binary16 and A is multiplied as it is. bf16: half() rounds to bf16 and
// so does a(), so that the sums are those of kernels/gemm_bf16. Both round to nearest even.
//
// Each row is a GemmKernel<float>. Its panels hold 16-bit values, row k of a panel `panel` of them,
// an odd K filled up with a row of zeros. They are widened, exactly, a block of k at a time while a
// block of rows of A passes over them, in a scratch of 16 KiB on the stack; the products are
// gemm_f32's chains of fused multiply-adds. With avx512bf16 the bf16 row is gemm_bf16's own, which
// takes pairs as they are.
//
// Contract: as kernels/gemm_f32.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {

// Rows of the tables, best first.
std::span<const GemmKernel<float>> gemm_half_f16_kernels() noexcept;
std::span<const GemmKernel<float>> gemm_half_bf16_kernels() noexcept;

// The row of bf16 for an instruction set that has one: other kernels of bf16 take its panels.
const GemmKernel<float>& gemm_half_bf16_row(Isa isa) noexcept;

ESPALIER_DECLARE_ISAS(GemmPackB<float> gemm_f16_pack_halves; GemmRun<float> gemm_f16_run_halves;
                      GemmPackB<float> gemm_bf16_pack_halves; GemmRun<float> gemm_bf16_run_halves;)

}  // namespace espalier
