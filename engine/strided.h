// Walking two strided layouts of one shape as matrices, the form in which kernels take memory.
#pragma once

#include <algorithm>

#include "engine/parallel.h"
#include "engine/shape.h"
#include "kernels/copy/copy.h"

namespace espalier {

// A shape of at least two dimensions with the strides of two operands, in elements.
struct StridedPair {
  Shape shape, a, b;

  int64_t width() const { return shape.back(); }
  int64_t rows() const { return width() ? shape.numel() / width() : 0; }
  int64_t a_row_stride() const { return a[a.rank() - 2]; }
  int64_t b_row_stride() const { return b[b.rank() - 2]; }
};

// Dimensions of size 1 are dropped and neighbours merged where both operands allow it, in row-major
// order; leading dimensions of size 1 fill up to two.
StridedPair merge_dimensions(const Shape& shape, const Shape& a, const Shape& b);

// The elements before row `row`, counting rows over all dimensions but the last.
int64_t row_offset(const Shape& shape, const Shape& strides, int64_t row);

// The elements before element `index`, counted in row-major order.
int64_t element_offset(const Shape& shape, const Shape& strides, int64_t index);

// `rows` x `columns` elements: where the operands' first ones lie, and the first one's row-major
// number.
struct MatrixPiece {
  int64_t a, b, index, rows, columns;
};

// Calls f(piece) for pieces that cover `s`, on several threads. Pieces depend on `s` alone.
template <class F>
void for_each_matrix(const StridedPair& s, const F& f) {
  constexpr int64_t longest = 16'384;  // a longer row is cut
  const int64_t width = s.width(), height = s.shape[s.shape.rank() - 2];
  const int64_t cuts = std::max<int64_t>(1, (width + longest - 1) / longest);
  const auto piece = [&](int64_t row, int64_t count, int64_t column, int64_t columns) {
    f(MatrixPiece{row_offset(s.shape, s.a, row) + column * s.a.back(),
                  row_offset(s.shape, s.b, row) + column * s.b.back(), row * width + column, count,
                  columns});
  };
  parallel_for(s.rows() * cuts, grain_for(std::min(width, longest)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end;) {
                   const int64_t row = i / cuts, column = i % cuts * longest;
                   const int64_t count = cuts > 1 ? 1 : std::min(end - row, height - row % height);
                   piece(row, count, column, std::min(longest, width - column));
                   i += count;
                 }
               });
}

// The best row for elements of 1, 2, 4 or 8 bytes.
const KernelRow<Copy>& copy_kernel(size_t element_size);

// Copies elements of `element_size` bytes from one layout of `shape` to another, by a row that was
// chosen before, or by the best one.
void copy_strided(const KernelRow<Copy>& row, const Shape& shape, std::byte* to,
                  const Shape& to_strides, const std::byte* from, const Shape& from_strides,
                  size_t element_size);
void copy_strided(const Shape& shape, std::byte* to, const Shape& to_strides, const std::byte* from,
                  const Shape& from_strides, size_t element_size);

}  // namespace espalier
