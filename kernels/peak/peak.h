// The most arithmetic that an instruction set can do: independent chains of multiply-adds that
// never leave the registers. What other kernels reach is measured against this.
//
//   chain[i] = i,   then `steps` times   chain[i] = chain[i] * factor + chain[i]
//
// Contract: steps >= 0. The return value is the number of floating-point operations done, two a
// lane and step. sink[0] receives the sum of all lanes of all chains, so that no compiler can leave
// the work out. The SIMD rows multiply and add with one instruction, the scalar row with two. A
// small factor keeps the chains finite.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

using PeakMultiplyAdd = int64_t(float factor, int64_t steps, float* sink) noexcept;

// Rows of the table, best first.
std::span<const KernelRow<PeakMultiplyAdd>> peak_kernels() noexcept;

// Floating-point lanes of one register of the instruction set; 1 for scalar code.
constexpr int lanes_of(Isa isa) noexcept {
  return isa >= Isa::avx512 ? 16 : isa == Isa::avx2 ? 8 : isa == Isa::neon ? 4 : 1;
}

ESPALIER_DECLARE_ISAS(PeakMultiplyAdd peak_multiply_add;)

}  // namespace espalier
