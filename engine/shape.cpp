#include "engine/shape.h"

#include <algorithm>
#include <limits>

#include "engine/error.h"

namespace espalier {

Shape::Shape(std::initializer_list<int64_t> dims) {
  for (int64_t dim : dims) push_back(dim);
}

Shape Shape::of_rank(int rank, int64_t value) {
  Shape shape;
  for (int i = 0; i < rank; ++i) shape.push_back(value);
  return shape;
}

void Shape::push_back(int64_t dim) {
  if (rank_ == max_rank)
    argument_error("Shape", "rank", "more than " + std::to_string(max_rank),
                   "at most " + std::to_string(max_rank) + " dimensions", "merge dimensions");
  dims_[static_cast<size_t>(rank_++)] = dim;
}

int64_t Shape::numel() const noexcept {
  int64_t product = 1;
  for (int64_t dim : *this) product *= dim;
  return product;
}

bool Shape::countable() const noexcept {
  constexpr int64_t most = std::numeric_limits<int64_t>::max() / 8;
  int64_t product = 1;
  for (int64_t dim : *this) {
    if (dim < 0 || product > most / std::max<int64_t>(dim, 1)) return false;
    product *= std::max<int64_t>(dim, 1);
  }
  return true;
}

std::string Shape::str() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string((*this)[i]);
  return text + "]";
}

bool operator==(const Shape& a, const Shape& b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = Shape::of_rank(shape.rank(), 1);
  for (int i = shape.rank() - 2; i >= 0; --i) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

int normalize_dim(const char* op, int64_t dim, int rank) {
  if (dim < -rank || dim >= rank)
    argument_error(op, "dim", std::to_string(dim),
                   "a value in [" + std::to_string(-rank) + ", " + std::to_string(rank) + ")",
                   "the tensor has " + std::to_string(rank) + " dimensions");
  return static_cast<int>(dim < 0 ? dim + rank : dim);
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  Shape out = Shape::of_rank(rank);
  for (int i = 1; i <= rank; ++i) {
    const int64_t x = i <= a.rank() ? a[a.rank() - i] : 1;
    const int64_t y = i <= b.rank() ? b[b.rank() - i] : 1;
    if (x != y && x != 1 && y != 1)
      argument_error(op, "b", b.str(), "a shape that broadcasts with " + a.str(),
                     "dimensions must be equal or 1, counted from the right");
    out[rank - i] = x == 1 ? y : x;
  }
  return out;
}

Shape broadcast_strides(const Shape& shape, const Shape& strides, const Shape& wide) {
  Shape out = Shape::of_rank(wide.rank());
  for (int i = 1; i <= shape.rank(); ++i)
    if (shape[shape.rank() - i] != 1) out[wide.rank() - i] = strides[shape.rank() - i];
  return out;
}

}  // namespace espalier
