#include "engine/ops/view.h"

#include <algorithm>

#include "engine/op.h"

namespace espalier {
namespace {

constexpr Op contiguous_op{"contiguous"};
constexpr Op reshape_op{.name = "reshape", .view = true};
constexpr Op permute_op{.name = "permute", .view = true};
constexpr Op slice_op{.name = "slice", .view = true};

// Replaces one -1 in `shape` by what the number of elements leaves for it.
Shape complete_shape(const Tensor& x, Shape shape) {
  const auto missing = std::find(shape.begin(), shape.end(), -1);
  if (missing != shape.end()) {
    int64_t& dim = shape[static_cast<int>(missing - shape.begin())];
    dim = 1;
    const int64_t known = shape.countable() ? shape.numel() : 0;
    dim = known > 0 ? x.numel() / known : -1;
  }
  if (!shape.countable() || shape.numel() != x.numel())
    argument_error("reshape", "shape", shape.str(),
                   "one with " + std::to_string(x.numel()) + " elements", "x is " + x.describe());
  return shape;
}

Shape inverse_permutation(const Shape& dims) {
  Shape inverse = Shape::of_rank(dims.rank());
  for (int i = 0; i < dims.rank(); ++i) inverse[static_cast<int>(dims[i])] = i;
  return inverse;
}

// The dimensions as non-negative numbers; throws unless they are a permutation.
Shape checked_permutation(const Tensor& x, const Shape& dims) {
  Shape order = dims, seen = Shape::of_rank(x.rank());
  bool valid = dims.rank() == x.rank();
  for (int i = 0; valid && i < order.rank(); ++i) {
    order[i] = normalize_dim("permute", dims[i], x.rank());
    valid = seen[static_cast<int>(order[i])]++ == 0;
  }
  if (!valid)
    argument_error("permute", "dims", dims.str(), "each dimension of x once",
                   "x is " + x.describe());
  return order;
}

}  // namespace

Tensor contiguous(const Tensor& x) {
  check_defined("contiguous", "x", x);
  if (x.is_contiguous()) return x;
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  y.copy_(x);
  return record(contiguous_op, {}, {x}, y,
                [](const Tensor& dy, InputGradients& inputs) { inputs.add(0, dy); });
}

Tensor reshape(const Tensor& x, const Shape& wanted) {
  check_defined("reshape", "x", x);
  const Shape shape = complete_shape(x, wanted);
  const Tensor in = contiguous(x);
  const Tensor y = in.as_strided(shape, contiguous_strides(shape), in.storage_offset());
  return record(reshape_op, {{"shape", shape}}, {in}, y,
                [from = x.shape()](const Tensor& dy, InputGradients& inputs) {
                  inputs.add(0, reshape(dy, from));
                });
}

Tensor permute(const Tensor& x, const Shape& dims) {
  check_defined("permute", "x", x);
  const Shape order = checked_permutation(x, dims);
  Shape shape = Shape::of_rank(x.rank()), strides = shape;
  for (int i = 0; i < x.rank(); ++i) {
    shape[i] = x.shape()[static_cast<int>(order[i])];
    strides[i] = x.strides()[static_cast<int>(order[i])];
  }
  const Tensor y = x.as_strided(shape, strides, x.storage_offset());
  return record(permute_op, {{"dims", order}}, {x}, y,
                [inverse = inverse_permutation(order)](const Tensor& dy, InputGradients& inputs) {
                  inputs.add(0, permute(dy, inverse));
                });
}

Tensor transpose(const Tensor& x, int64_t a, int64_t b) {
  check_defined("transpose", "x", x);
  Shape dims = Shape::of_rank(x.rank());
  for (int i = 0; i < x.rank(); ++i) dims[i] = i;
  std::swap(dims[normalize_dim("transpose", a, x.rank())],
            dims[normalize_dim("transpose", b, x.rank())]);
  return permute(x, dims);
}

Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t end) {
  check_defined("slice", "x", x);
  const int axis = normalize_dim("slice", dim, x.rank());
  const int64_t size = x.shape()[axis];
  if (start < 0) start += size;
  if (end < 0) end += size;
  if (start < 0 || end < start || end > size)
    argument_error("slice", "range", "[" + std::to_string(start) + ", " + std::to_string(end) + ")",
                   "a range inside [0, " + std::to_string(size) + ")", "");
  Shape shape = x.shape();
  shape[axis] = end - start;
  const Tensor y = x.as_strided(shape, x.strides(), x.storage_offset() + start * x.strides()[axis]);
  return record(slice_op, {{"dim", int64_t{axis}}, {"start", start}, {"end", end}}, {x}, y,
                [whole = x.shape(), axis, start, end](const Tensor& dy, InputGradients& inputs) {
                  const Tensor dx = Tensor::zeros(whole, dy.dtype());
                  slice(dx, axis, start, end).copy_(dy);
                  inputs.add(0, dx);
                });
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  check_defined("select", "x", x);
  const int axis = normalize_dim("select", dim, x.rank());
  if (index < 0) index += x.shape()[axis];
  return squeeze(slice(x, axis, index, index + 1), axis);
}

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  check_defined("unsqueeze", "x", x);
  const int axis = normalize_dim("unsqueeze", dim, x.rank() + 1);
  Shape shape, strides;
  for (int i = 0; i <= x.rank(); ++i) {
    if (i == axis) shape.push_back(1), strides.push_back(1);
    if (i < x.rank()) shape.push_back(x.shape()[i]), strides.push_back(x.strides()[i]);
  }
  const Tensor y = x.as_strided(shape, strides, x.storage_offset());
  return record(
      reshape_op, {{"shape", shape}}, {x}, y,
      [axis](const Tensor& dy, InputGradients& inputs) { inputs.add(0, squeeze(dy, axis)); });
}

Tensor squeeze(const Tensor& x, int64_t dim) {
  check_defined("squeeze", "x", x);
  const int axis = normalize_dim("squeeze", dim, x.rank());
  if (x.shape()[axis] != 1)
    argument_error("squeeze", "x", x.describe(), "size 1 in dimension " + std::to_string(axis), "");
  Shape shape, strides;
  for (int i = 0; i < x.rank(); ++i)
    if (i != axis) shape.push_back(x.shape()[i]), strides.push_back(x.strides()[i]);
  const Tensor y = x.as_strided(shape, strides, x.storage_offset());
  return record(
      reshape_op, {{"shape", shape}}, {x}, y,
      [axis](const Tensor& dy, InputGradients& inputs) { inputs.add(0, unsqueeze(dy, axis)); });
}

Tensor flatten(const Tensor& x, int64_t start) {
  check_defined("flatten", "x", x);
  Shape shape(x.shape().begin(), x.shape().begin() + normalize_dim("flatten", start, x.rank()));
  shape.push_back(-1);
  return reshape(x, shape);
}

}  // namespace espalier
