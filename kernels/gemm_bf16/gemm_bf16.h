// Matrix multiplication of bf16 operands with fp32 sums. Operands come as fp32 and are rounded
// here.
//
//   C[m, n] = start + sum_k bf16(A[m, k]) * bf16(B[k, n]),   start as in kernels/gemm_f32
//
// bf16() rounds to nearest even and keeps a NaN a NaN. Each row is a GemmKernel<float>, called and
// split as those of kernels/gemm_f32 are; what its packed panels hold is its own affair:
//
//   scalar, neon, avx2, avx512   rounded values, widened to fp32 again. A product of two of them is
//                                exact in fp32, so the SIMD rows give one chain of fused
//                                multiply-adds from `start`, k ascending, and the same bits.
//   avx512bf16                   pairs (k, k + 1), the last filled up with zero, for vdpbf16ps. It
//                                adds a pair's two products one after the other and takes denormal
//                                operands and results for zero, so its bits are its own; they still
//                                depend neither on M and N nor on how rows and panels are split.
//   amx                          such pairs, filled up with zeros to whole tiles of 32 values of k.
//                                A tile adds up its products from zero, those of even k and those
//                                of odd k apart, and then adds both to the sum; denormals are zero.
//
// A is rounded once for each block of its rows, in a scratch of at most 48 KiB on the stack.
//
// Contract: as kernels/gemm_f32. K may be cut where one likes; where that is no multiple of the
// row's k_group, a group less is full, and the bits of amx are others.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {

// Rows of the table, best first.
std::span<const GemmKernel<float>> gemm_bf16_kernels() noexcept;

#define ESPALIER_GEMM_BF16           \
  GemmPackB<float> gemm_bf16_pack_b; \
  GemmRun<float> gemm_bf16_run;
ESPALIER_DECLARE_ISAS(ESPALIER_GEMM_BF16)
ESPALIER_IF_AVX512BF16(namespace avx512bf16{ESPALIER_GEMM_BF16})
ESPALIER_IF_AMX(namespace amx{ESPALIER_GEMM_BF16})
#undef ESPALIER_GEMM_BF16

}  // namespace espalier
