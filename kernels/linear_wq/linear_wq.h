// Codes of weights, widened for the tiles of kernels/gemm_f32: a slice of a panel at a time, all of
// one group of k.
//
//   to[k * width + n] = float(code(k, n) - middle) * scales[n],   0 <= k < K, 0 <= n < width
//
// 8 bits: code(k, n) = codes[k * width + n], middle 128. 4 bits: the byte codes[k / 2 * width + n]
// holds code(k, n) of an even k in its low half and of the next k in its high half, middle 8; an
// odd K reads the low halves alone of its last bytes.
//
// The difference is exact and the product is one IEEE multiplication: every row of the table gives
// the same bits. Contract: nothing overlaps and no alignment is assumed. Panels are whole: `width`
// is a multiple of 16, of the scalar row alone any number.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// bits: 8 or 4. One function for both: every predictor carries each row.
using LinearWqWiden = void(int bits, const uint8_t* codes, const float* scales, int64_t K,
                           int64_t width, float* to) noexcept;

constexpr ESPALIER_INLINE int linear_wq_middle(int bits) noexcept { return 1 << (bits - 1); }

// Rows of the table, best first.
std::span<const KernelRow<LinearWqWiden>> linear_wq_kernels() noexcept;

ESPALIER_DECLARE_ISAS(LinearWqWiden linear_wq_widen;)

}  // namespace espalier
