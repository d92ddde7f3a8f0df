// The most arithmetic that an instruction set can do: independent chains of multiply-adds that
// never leave the registers. What other kernels reach is measured against this. kernels/peak_s8 has
// the chains of 8-bit integers.
//
//   chain[i] = i,   then `steps` times
//   f32    chain[i] = chain[i] * factor + chain[i]
//   bf16   chain[i] = chain[i] + factor * 1 + factor * 1
//
// Contract: steps >= 0. The return value is the number of operations done, a multiply-add counted
// as two. sink[0] receives the sum of all lanes of all chains, so that no compiler can leave the
// work out. The SIMD rows multiply and add with one instruction, the scalar row with two. A small
// factor keeps the chains of f32 finite; that of bf16 is a value of bf16.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

using Peak = int64_t(float factor, int64_t steps, float* sink) noexcept;

// Rows of the tables, best first. An instruction set that has no products of bf16 widens them to
// fp32: its row is that of fp32.
std::span<const KernelRow<Peak>> peak_f32_kernels() noexcept;
std::span<const KernelRow<Peak>> peak_bf16_kernels() noexcept;

ESPALIER_DECLARE_ISAS(Peak peak_f32;)
ESPALIER_IF_AVX512BF16(namespace avx512bf16 { Peak peak_bf16; })
ESPALIER_IF_AMX(namespace amx { Peak peak_bf16; })

}  // namespace espalier
