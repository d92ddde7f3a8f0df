#include "engine/strided.h"

#include <utility>

#include "engine/dispatch.h"

namespace espalier {
namespace {

void swap_dimensions(StridedPair& s, int i, int k) {
  std::swap(s.shape[i], s.shape[k]);
  std::swap(s.a[i], s.a[k]);
  std::swap(s.b[i], s.b[k]);
}

// Moves the dimension that is contiguous in the target (the last where none is) to the end, and
// the one that is contiguous in the source before it: the copy kernel transposes such a matrix.
void choose_matrix(StridedPair& s) {
  const int last = s.shape.rank() - 1;
  for (int i = 0; i < last; ++i)
    if (s.a[i] == 1 && s.shape[i] > 1) swap_dimensions(s, i, last);
  for (int i = 0; i < last - 1; ++i)
    if (s.b[i] == 1 && s.shape[i] > 1) swap_dimensions(s, i, last - 1);
}

}  // namespace

const KernelRow<Copy>& copy_kernel(size_t element_size) {
  switch (element_size) {
    case 1:
      return kernel(copy_kernels<1>());
    case 2:
      return kernel(copy_kernels<2>());
    case 4:
      return kernel(copy_kernels<4>());
    default:
      return kernel(copy_kernels<8>());
  }
}

StridedPair merge_dimensions(const Shape& shape, const Shape& a, const Shape& b) {
  StridedPair s;
  const auto push = [&](int64_t size, int64_t a_stride, int64_t b_stride) {
    s.shape.push_back(size);
    s.a.push_back(a_stride);
    s.b.push_back(b_stride);
  };
  // From the last dimension to the first, so that a merged one keeps the inner stride.
  for (int i = shape.rank() - 1; i >= 0; --i) {
    const int top = s.shape.rank() - 1;
    if (shape[i] == 1) continue;
    if (top >= 0 && a[i] == s.a[top] * s.shape[top] && b[i] == s.b[top] * s.shape[top])
      s.shape[top] *= shape[i];
    else
      push(shape[i], a[i], b[i]);
  }
  while (s.shape.rank() < 2) push(1, 0, 0);
  for (int i = 0, k = s.shape.rank() - 1; i < k; ++i, --k) swap_dimensions(s, i, k);
  return s;
}

int64_t element_offset(const Shape& shape, const Shape& strides, int64_t index) {
  int64_t offset = 0;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    offset += index % shape[i] * strides[i];
    index /= shape[i];
  }
  return offset;
}

int64_t row_offset(const Shape& shape, const Shape& strides, int64_t row) {
  return element_offset(Shape(shape.begin(), shape.end() - 1), strides, row);
}

void copy_strided(const Shape& shape, std::byte* to, const Shape& to_strides, const std::byte* from,
                  const Shape& from_strides, size_t element_size) {
  copy_strided(copy_kernel(element_size), shape, to, to_strides, from, from_strides, element_size);
}

void copy_strided(const KernelRow<Copy>& row, const Shape& shape, std::byte* to,
                  const Shape& to_strides, const std::byte* from, const Shape& from_strides,
                  size_t element_size) {
  if (shape.numel() == 0) return;
  StridedPair s = merge_dimensions(shape, to_strides, from_strides);
  choose_matrix(s);
  const int64_t bytes = static_cast<int64_t>(element_size);
  for_each_matrix(s, [&](const MatrixPiece& piece) {
    row.run(from + piece.b * bytes, {s.b_row_stride(), s.b.back()}, to + piece.a * bytes,
            {s.a_row_stride(), s.a.back()}, piece.rows, piece.columns);
  });
}

}  // namespace espalier
