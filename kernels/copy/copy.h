// A strided copy of a matrix of elements of 1, 2, 4 or 8 bytes: how a view becomes contiguous.
//
//   y[r, c] = x[r, c]   for r < rows, c < columns
//
// Contract: strides are in elements and may be 0 for x (a broadcast value); x and y do not overlap.
// No alignment is assumed. The bits are moved unchanged, NaNs included. Contiguous rows on both
// sides are block moves and a transposition goes tile by tile through registers; other strides go
// one element at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

struct MatrixStrides {
  int64_t row, column;
};

using Copy = void(const void* x, MatrixStrides x_strides, void* y, MatrixStrides y_strides,
                  int64_t rows, int64_t columns) noexcept;

// y[i] = value for i < count. The processor reads `value` before the call returns, for a GPU too,
// to whose memory it goes as an argument of the kernel.
using Fill = void(const void* value, void* y, int64_t count) noexcept;

// Rows of the table for elements of `element_size` bytes, best first; SIMD rows exist for 4.
template <size_t element_size>
std::span<const KernelRow<Copy>> copy_kernels() noexcept;
// Without SIMD rows: on the processor compilers do as well.
template <size_t element_size>
std::span<const KernelRow<Fill>> fill_kernels() noexcept;

ESPALIER_DECLARE_ISAS(Copy copy_4;)
// For elements as large as Element.
ESPALIER_DECLARE_CUDA(template <class Element> Copy copy; template <class Element> Fill fill;)

}  // namespace espalier
