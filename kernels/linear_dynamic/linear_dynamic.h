// What a row of exact sums of 8-bit products becomes where the row and each column have a scale.
//
//   y[n] = start + (float(sums[n]) * channel[n] * row + bias[n]),   0 <= n < N
//
// start is y[n] with `accumulate`, and there is neither addition where there is no start or no
// bias. float() rounds to nearest even and every other sign is one IEEE operation, from left to
// right: every row of the table gives the same bits.
//
// Contract: y overlaps no other operand. `sums` holds whole sixteens, also past N, any values
// there. No alignment is assumed.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

using LinearDynamicPut = void(const int32_t* sums, const float* channel, float row,
                              const float* bias, bool accumulate, int64_t N, float* y) noexcept;

// Rows of the table, best first.
std::span<const KernelRow<LinearDynamicPut>> linear_dynamic_kernels() noexcept;

ESPALIER_DECLARE_ISAS(LinearDynamicPut linear_dynamic_put;)

}  // namespace espalier
