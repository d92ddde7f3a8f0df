// Dropping elements (dropout: Srivastava et al., JMLR 15, 2014) or whole rows (stochastic depth:
// Huang et al., arXiv 1603.09382) by a mask that was drawn before (kernels/philox).
//
//   elements   y[i] = keep[i] ? scale x[i] : 0
//   rows       y[r, i] = keep[r] ? scale x[r, i] : 0
//
// Backward is the same function of dy.
//
// Contract: keep has one byte an element, or a row; rows are `width` apart. In place is fine
// (y == x), any other overlap is not. No alignment is assumed. What is dropped gives +0 whatever it
// was, NaN and infinities too. Every row gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

template <class T>
using DropoutElements = void(const T* x, const uint8_t* keep, T scale, T* y,
                             int64_t count) noexcept;
template <class T>
using DropoutRows = void(const T* x, const uint8_t* keep, T scale, T* y, int64_t rows,
                         int64_t width) noexcept;

// Rows of the two tables, best first; those for double hold no SIMD rows.
template <class T>
std::span<const KernelRow<DropoutElements<T>>> dropout_elements_kernels() noexcept;
template <class T>
std::span<const KernelRow<DropoutRows<T>>> dropout_rows_kernels() noexcept;

ESPALIER_DECLARE_ISAS(DropoutElements<float> dropout_elements; DropoutRows<float> dropout_rows;)
ESPALIER_DECLARE_CUDA(DropoutElements<float> dropout_elements;
                      DropoutElements<double> dropout_elements; DropoutRows<float> dropout_rows;
                      DropoutRows<double> dropout_rows;)

}  // namespace espalier
