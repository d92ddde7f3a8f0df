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

#include <cstddef>
#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

using LinearDynamicPut = void(const int32_t* sums, const float* channel, float row,
                              const float* bias, bool accumulate, int64_t N, float* y) noexcept;

// Rows of the table, best first.
std::span<const KernelRow<LinearDynamicPut>> linear_dynamic_kernels() noexcept;

ESPALIER_DECLARE_ISAS(LinearDynamicPut linear_dynamic_put;)

namespace cuda {

// On a GPU the whole layer: M rows of x, K values each, are rounded to codes of their own scales
// (kernels/linear_dynamic/linear_dynamic_scalar.h), multiplied with B as kernels/gemm_s8 packs it
// there, and become y, N values a row, by the equation above without a start.
struct LinearDynamic {
  int64_t M = 0, N = 0, K = 0;
  const float* x = nullptr;
  const std::byte* packed_b = nullptr;
  const float* channel = nullptr;
  const float* bias = nullptr;  // N values, or none
  int8_t* codes = nullptr;      // for M rows of linear_dynamic_row(K)
  float* scales = nullptr;      // for M
  float* y = nullptr;
};
// codes and packed_b start on boundaries of 16 bytes.
void linear_dynamic_run(const LinearDynamic& layer) noexcept;
int64_t linear_dynamic_row(int64_t K) noexcept;

}  // namespace cuda

}  // namespace espalier
