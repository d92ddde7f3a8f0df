#include "engine/ops/view.h"

#include <algorithm>
#include <limits>

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/replay.h"

namespace espalier {
namespace {

void lower_contiguous(Lowering& l) { l.out_view(l.contiguous_in(0)); }

// The dimensions of a layout without those of size 1, which have no stride to speak of.
std::vector<std::pair<BatchDim, int64_t>> long_dimensions(const Operand& x) {
  std::vector<std::pair<BatchDim, int64_t>> out;
  for (size_t i = 0; i < x.shape.size(); ++i)
    if (!(x.shape[i] == BatchDim{0, 1}))
      out.emplace_back(x.shape[i], x.strides[static_cast<int>(i)]);
  return out;
}

void lower_reshape(Lowering& l) {
  Operand x = l.in(0), y{l.out_shape(), batch_strides(l.op(), l.out_shape()), {}, x.dtype};
  if (!x.contiguous()) {
    // Dimensions of size 1 may come and go in any layout.
    const auto old = long_dimensions(x);
    const auto now = long_dimensions(y);
    const bool same = std::equal(old.begin(), old.end(), now.begin(), now.end(),
                                 [](const auto& a, const auto& b) { return a.first == b.first; });
    if (same)
      for (size_t i = 0, next = 0; i < y.shape.size(); ++i)
        if (!(y.shape[i] == BatchDim{0, 1})) y.strides[static_cast<int>(i)] = old[next++].second;
    if (!same) x = l.contiguous_in(0);
  }
  y.address = x.address;
  l.out_view(y);
}

void lower_permute(Lowering& l) {
  const Operand x = l.in(0);
  Operand y{l.out_shape(), x.strides, x.address, x.dtype};
  for (int i = 0; i < y.strides.rank(); ++i)
    y.strides[i] = x.strides[static_cast<int>(l.shape("dims")[static_cast<size_t>(i)].fixed)];
  l.out_view(y);
}

void lower_slice(Lowering& l) {
  const Operand x = l.in(0);
  Operand y{l.out_shape(), x.strides, x.address, x.dtype};
  y.address.offset +=
      l.integer("start") * x.strides[static_cast<int>(l.integer("dim"))] * x.element_size();
  l.out_view(y);
}

Tensor replay_contiguous(const NodeCall& c) { return contiguous(c.in(0)); }
Tensor replay_reshape(const NodeCall& c) { return reshape(c.in(0), c.shape("shape")); }
Tensor replay_permute(const NodeCall& c) { return permute(c.in(0), c.shape("dims")); }
Tensor replay_slice(const NodeCall& c) {
  return slice(c.in(0), c.integer("dim"), c.integer("start"), c.integer("end"));
}

void onnx_contiguous(OnnxWriter& w) { w.out_same(0); }

// ONNX copies a dimension for 0 and computes one for -1.
void onnx_reshape(OnnxWriter& w) {
  const BatchShape &from = w.in_shape(0), &to = w.out_shape();
  Shape dims;
  bool computed = false;
  for (size_t i = 0; i < to.size(); ++i) {
    const bool copied = i < from.size() && from[i] == to[i] && to[i].per_sample != 0;
    const bool unknown = !copied && !computed && to[i].per_sample != 0;
    dims.push_back(copied ? 0 : unknown ? -1 : w.fixed(to[i]));
    computed |= unknown;
  }
  w.out("Reshape", {w.in(0), w.integers(dims)});
}

void onnx_permute(OnnxWriter& w) {
  w.out("Transpose", {w.in(0)}, {{"perm", w.fixed(attribute<BatchShape>(w.node(), "dims"))}});
}

void onnx_slice(OnnxWriter& w) {
  const int64_t axis = w.integer("dim"), start = w.integer("start");
  const BatchDim end = attribute<BatchDim>(w.node(), "end");
  const bool to_the_end = end == w.in_shape(0)[static_cast<size_t>(axis)];
  const int64_t stop = to_the_end ? std::numeric_limits<int64_t>::max() : w.fixed(end);
  w.out("Slice", {w.in(0), w.integers({start}), w.integers({stop}), w.integers({axis})});
}

constexpr Op contiguous_op{
    .name = "contiguous", .lower = lower_contiguous, .replay = replay_contiguous};
constexpr Op reshape_op{
    .name = "reshape", .view = true, .lower = lower_reshape, .replay = replay_reshape};
constexpr Op permute_op{
    .name = "permute", .view = true, .lower = lower_permute, .replay = replay_permute};
constexpr Op slice_op{.name = "slice", .view = true, .lower = lower_slice, .replay = replay_slice};

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

struct SavedNothing {};

void contiguous_derivative(const SavedNothing&, const Tensor& dy, InputGradients& inputs) {
  inputs.add(0, dy);
}

struct SavedShape {
  Shape x;
};

void reshape_derivative(const SavedShape& saved, const Tensor& dy, InputGradients& inputs) {
  inputs.add(0, reshape(dy, saved.x));
}

struct SavedOrder {
  Shape dims;
};

void permute_derivative(const SavedOrder& saved, const Tensor& dy, InputGradients& inputs) {
  inputs.add(0, permute(dy, inverse_permutation(saved.dims)));
}

struct SavedRange {
  Shape x;
  int axis;
  int64_t start, end;
};

void slice_derivative(const SavedRange& saved, const Tensor& dy, InputGradients& inputs) {
  const Tensor dx = Tensor::zeros(saved.x, dy.dtype());
  slice(dx, saved.axis, saved.start, saved.end).copy_(dy);
  inputs.add(0, dx);
}

void tie_reshaped(NodeAxes& n) { n.tie_elements(0, NodeAxes::out); }

void tie_permuted(NodeAxes& n) {
  const BatchShape& dims = attribute<BatchShape>(n.node(), "dims");
  for (int to = 0; to < n.rank(0); ++to)
    n.tie({0, static_cast<int>(dims[static_cast<size_t>(to)].fixed)}, {NodeAxes::out, to});
}

void tie_sliced(NodeAxes& n) {
  const auto cut = static_cast<int>(n.integer("dim"));
  for (int dim = 0; dim < n.rank(0); ++dim) {
    if (dim != cut) {
      n.tie({0, dim}, {NodeAxes::out, dim});
      continue;
    }
    n.fix({0, dim});
    n.fix({NodeAxes::out, dim});
  }
}

}  // namespace

Tensor contiguous(const Tensor& x) {
  check_defined("contiguous", "x", x);
  if (x.is_contiguous()) return x;
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  y.copy_(x);
  return record(contiguous_op, {}, {x}, y, SavedNothing{});
}

Tensor reshape(const Tensor& x, const Shape& wanted) {
  check_defined("reshape", "x", x);
  const Shape shape = complete_shape(x, wanted);
  const Tensor in = contiguous(x);
  const Tensor y = in.as_strided(shape, contiguous_strides(shape), in.storage_offset());
  return record(reshape_op, {{"shape", shape}}, {in}, y, SavedShape{x.shape()});
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
  return record(permute_op, {{"dims", order}}, {x}, y, SavedOrder{order});
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
                SavedRange{x.shape(), axis, start, end});
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  check_defined("select", "x", x);
  const int axis = normalize_dim("select", dim, x.rank());
  const int64_t size = x.shape()[axis], at = index < 0 ? index + size : index;
  if (at < 0 || at >= size)
    argument_error("select", "index", std::to_string(index),
                   "a value in [" + std::to_string(-size) + ", " + std::to_string(size) + ")",
                   "x is " + x.describe());
  return squeeze(slice(x, axis, at, at + 1), axis);
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
  return record(reshape_op, {{"shape", shape}}, {x}, y, SavedShape{x.shape()});
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
  return record(reshape_op, {{"shape", shape}}, {x}, y, SavedShape{x.shape()});
}

Tensor flatten(const Tensor& x, int64_t start) {
  check_defined("flatten", "x", x);
  Shape shape(x.shape().begin(), x.shape().begin() + normalize_dim("flatten", start, x.rank()));
  shape.push_back(-1);
  return reshape(x, shape);
}

void view_derivatives(Derivatives& all) {
  all.add<contiguous_derivative>(contiguous_op);
  all.add<reshape_derivative>(reshape_op);
  all.add<permute_derivative>(permute_op);
  all.add<slice_derivative>(slice_op);
}

void view_onnx_forms(OnnxForms& all) {
  all.add(contiguous_op, onnx_contiguous);
  all.add(reshape_op, onnx_reshape);
  all.add(permute_op, onnx_permute);
  all.add(slice_op, onnx_slice);
}

void view_axis_rules(AxisRules& all) {
  all.add(contiguous_op, tie_elementwise);
  all.add(reshape_op, tie_reshaped);
  all.add(permute_op, tie_permuted);
  all.add(slice_op, tie_sliced);
}

}  // namespace espalier
