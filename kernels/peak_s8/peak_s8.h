// The most exact arithmetic on 8-bit integers that an instruction set can do, by the instructions
// that kernels/gemm_s8 multiplies with: one on those that have a dot product, a product of 16-bit
// pairs and a sum on AVX2.
//
//   chain[i] = i,   then `steps` times   chain[i] = chain[i] + (factor * 1 + ... + factor * 1)
//
// with as many products as the instruction set takes at a time, in 32 bits.
//
// Contract: as kernels/peak, with a whole factor from 0 to 127 and so few steps that no lane leaves
// 32 bits, or the sums wrap around.
#pragma once

#include "kernels/peak/peak.h"

namespace espalier {

// Rows of the table, best first.
std::span<const KernelRow<Peak>> peak_s8_kernels() noexcept;

ESPALIER_DECLARE_DOT_ISAS(Peak peak_s8;)
ESPALIER_IF_AMX(namespace amx { Peak peak_s8; })

}  // namespace espalier
