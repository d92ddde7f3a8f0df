#include "engine/ops/reduce.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/onnx_writer.h"
#include "engine/ops/binary.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "kernels/reduce/reduce.h"

namespace espalier {
namespace {

int64_t reduce_flops(Shapes inputs, const Shape&) { return inputs[0].numel(); }

enum class Extent { sum, mean, largest, least };

// In operator set 17 the sum takes its dimensions as an input, the others as an attribute.
template <Extent kind>
void onnx(OnnxWriter& w) {
  const Shape dims = w.fixed(attribute<BatchShape>(w.node(), "dims"));
  const int64_t keep = w.integer("keepdim");
  if (dims.rank() == 0)
    w.out_same(0);
  else if (kind == Extent::sum)
    w.out("ReduceSum", {w.in(0), w.integers(dims)}, {{"keepdims", keep}});
  else
    w.out(kind == Extent::mean      ? "ReduceMean"
          : kind == Extent::largest ? "ReduceMax"
                                    : "ReduceMin",
          {w.in(0)}, {{"axes", dims}, {"keepdims", keep}});
}

void onnx_argmax(OnnxWriter& w) {
  w.out("ArgMax", {w.in(0)}, {{"axis", w.integer("dim")}, {"keepdims", w.integer("keepdim")}});
}

constexpr Op sum_op{.name = "sum", .flops = reduce_flops};
constexpr Op mean_op{.name = "mean", .flops = reduce_flops};
constexpr Op amax_op{.name = "amax", .flops = reduce_flops};
constexpr Op amin_op{.name = "amin", .flops = reduce_flops};
constexpr Op argmax_op{.name = "argmax", .flops = reduce_flops};

// How far one kernel call goes along the reduced dimension, and across it. Constants, so that the
// order of additions depends on the shape alone.
constexpr int64_t row_block = 8'192, column_block = 128, across_block = 4'096;

// outer x along x inner as outer x inner x along.
Tensor along_last(const Tensor& x, int64_t outer, int64_t along, int64_t inner) {
  const Tensor middle =
      x.as_strided({outer, along, inner}, {along * inner, inner, 1}, x.storage_offset());
  return contiguous(transpose(middle, 1, 2));
}

// Contiguous x seen as outer x along x inner, reduced along its middle: one kernel call for each
// block, then the same over the blocks' results.
template <class T>
Tensor reduce_middle(ReduceOp op, const Tensor& x, int64_t outer, int64_t along, int64_t inner) {
  // A launch takes all rows, or the columns of one matrix; it splits them by itself.
  if (on_cuda() && inner > 1 && outer > 1)
    return reduce_middle<T>(op, along_last(x, outer, along, inner), outer * inner, along, 1);
  const bool rows = inner == 1;
  const auto& best = kernel(rows ? reduce_rows_kernels<T>() : reduce_columns_kernels<T>());
  const int64_t block = on_cuda() ? std::max<int64_t>(along, 1) : rows ? row_block : column_block;
  const int64_t blocks = std::max<int64_t>(1, (along + block - 1) / block);
  const int64_t across = on_cuda() ? std::max<int64_t>(inner, 1) : across_block;
  const int64_t parts = (inner + across - 1) / across;
  const Tensor y = Tensor::empty({outer, blocks, inner}, x.dtype());
  const auto run = [&](int64_t piece) {
    const int64_t part = piece % parts * across, b = piece / parts % blocks;
    const int64_t o = piece / parts / blocks;
    const int64_t first = b * block, count = std::min(block, along - first);
    const int64_t width = std::min(across, inner - part);
    const T* from = x.data<T>() + (o * along + first) * inner + part;
    T* to = y.data<T>() + (o * blocks + b) * inner + part;
    rows ? best.run(op, from, to, 1, count, count) : best.run(op, from, to, count, width, inner);
  };
  const int64_t cost = std::min(block, along) * std::min(across, inner);
  parallel_for(outer * blocks * parts, grain_for(cost), [&](int64_t begin, int64_t end) {
    if (rows && blocks == 1)
      best.run(op, x.data<T>() + begin * along, y.data<T>() + begin, end - begin, along, along);
    else
      for (int64_t piece = begin; piece < end; ++piece) run(piece);
  });
  return blocks == 1 ? y : reduce_middle<T>(op, y, outer, blocks, inner);
}

struct Dimensions {
  Shape reduced;  // 1 for each reduced dimension, else 0
  Shape kept;     // x's shape with size 1 in reduced dimensions
  Shape result;   // what the caller gets
  int64_t count;  // elements that meet in one result
};

Dimensions dimensions(const char* op, const Tensor& x, const Shape& dims, bool keepdim) {
  Dimensions d{Shape::of_rank(x.rank()), x.shape(), {}, 1};
  for (int64_t dim : dims) {
    const int i = normalize_dim(op, dim, x.rank());
    if (d.reduced[i])
      argument_error(op, "dims", dims.str(), "each dimension at most once", "x is " + x.describe());
    d.reduced[i] = 1;
    d.kept[i] = 1;
    d.count *= x.shape()[i];
  }
  for (int i = 0; i < x.rank(); ++i)
    if (keepdim || !d.reduced[i]) d.result.push_back(d.kept[i]);
  return d;
}

// x reduced over the dimensions marked in `reduced`, with the shape `kept`, off the tape. Runs of
// neighbouring dimensions are reduced at once, the last run first.
Tensor compute(ReduceOp op, const Tensor& x, const Dimensions& d) {
  Tensor y = contiguous(x.detach());
  int64_t inner = 1;
  for (int i = x.rank() - 1; i >= 0;) {
    if (!d.reduced[i]) {
      inner *= x.shape()[i--];
      continue;
    }
    int64_t along = 1, outer = 1;
    for (; i >= 0 && d.reduced[i]; --i) along *= x.shape()[i];
    for (int k = 0; k <= i; ++k) outer *= x.shape()[k];
    visit_floating_point(x.dtype(),
                         [&]<class T>() { y = reduce_middle<T>(op, y, outer, along, inner); });
  }
  return reshape(y, d.kept);
}

Shape all_dimensions(const Tensor& x) {
  Shape dims;
  for (int i = 0; x.defined() && i < x.rank(); ++i) dims.push_back(i);
  return dims;
}

void check_not_empty(const char* op, const Tensor& x, const Dimensions& d) {
  if (d.count == 0)
    argument_error(op, "x", x.describe(), "at least one element in the reduced dimensions", "");
}

struct SavedExtreme {
  ReduceOp reduction;
  Dimensions dimensions;
  Tensor x, y;
};

// Elements equal to the extreme (or NaN beside a NaN) share the gradient evenly.
void extreme_derivative(const SavedExtreme& saved, const Tensor& dy, InputGradients& inputs) {
  const auto& [reduction, d, x, y] = saved;
  const bool largest = reduction == ReduceOp::maximum;
  const Tensor chosen = maximum_share(largest ? x : y, largest ? y : x);
  const Tensor each = div(reshape(dy, d.kept), compute(ReduceOp::sum, chosen, d));
  inputs.add(0, mul(chosen, each));
}

// amax and amin.
Tensor extreme(const Op& op, ReduceOp reduction, const Tensor& x, const Shape& dims, bool keepdim) {
  check_floating_point(op.name, "x", x);
  const Dimensions d = dimensions(op.name, x, dims, keepdim);
  check_not_empty(op.name, x, d);
  const OpScope scope(op.name, x);
  const Tensor kept = compute(reduction, x, d);
  const Tensor y = reshape(kept, d.result);
  return record(op, {{"dims", dims}, {"keepdim", int64_t{keepdim}}}, {x}, y,
                SavedExtreme{reduction, d, x.detach(), kept});
}

template <class T>
void argmax_values(const Tensor& x, const Tensor& index) {
  const auto& best = kernel(argmax_rows_kernels<T>());
  const int64_t width = x.shape().back();
  parallel_for(index.numel(), grain_for(width), [&](int64_t begin, int64_t end) {
    best.run(x.data<T>() + begin * width, index.data<int64_t>() + begin, end - begin, width, width);
  });
}

struct SavedSum {
  Shape x, kept;
};

void sum_derivative(const SavedSum& saved, const Tensor& dy, InputGradients& inputs) {
  inputs.add(0, expand(reshape(dy, saved.kept), saved.x));
}

struct SavedMean {
  Shape x, kept;
  double count;
};

void mean_derivative(const SavedMean& saved, const Tensor& dy, InputGradients& inputs) {
  inputs.add(0, expand(reshape(div(dy, saved.count), saved.kept), saved.x));
}

// What is reduced stays, for a mean counts it; the other axes go on.
void tie_axes(NodeAxes& n) {
  std::vector<bool> reduced(static_cast<size_t>(n.rank(0)));
  for (const BatchDim& dim : attribute<BatchShape>(n.node(), "dims")) {
    const int64_t axis = dim.fixed < 0 ? dim.fixed + n.rank(0) : dim.fixed;
    reduced[static_cast<size_t>(axis)] = true;
    n.fix({0, static_cast<int>(axis)});
  }
  for (int dim = 0, to = 0; dim < n.rank(0); ++dim) {
    const bool gone = reduced[static_cast<size_t>(dim)];
    if (!gone) n.tie({0, dim}, {NodeAxes::out, to});
    if (!gone || n.integer("keepdim")) ++to;
  }
}

}  // namespace

Tensor sum(const Tensor& x, const Shape& dims, bool keepdim) {
  check_floating_point(sum_op.name, "x", x);
  const Dimensions d = dimensions(sum_op.name, x, dims, keepdim);
  const OpScope scope(sum_op.name, x);
  const Tensor y = reshape(compute(ReduceOp::sum, x, d), d.result);
  return record(sum_op, {{"dims", dims}, {"keepdim", int64_t{keepdim}}}, {x}, y,
                SavedSum{x.shape(), d.kept});
}

Tensor mean(const Tensor& x, const Shape& dims, bool keepdim) {
  check_floating_point(mean_op.name, "x", x);
  const Dimensions d = dimensions(mean_op.name, x, dims, keepdim);
  check_not_empty(mean_op.name, x, d);
  const OpScope scope(mean_op.name, x);
  const double count = static_cast<double>(d.count);
  const Tensor total = compute(ReduceOp::sum, x, d);
  const Tensor y = reshape(div(total, count), d.result);
  return record(mean_op, {{"dims", dims}, {"keepdim", int64_t{keepdim}}}, {x}, y,
                SavedMean{x.shape(), d.kept, count});
}

Tensor amax(const Tensor& x, const Shape& dims, bool keepdim) {
  return extreme(amax_op, ReduceOp::maximum, x, dims, keepdim);
}

Tensor amin(const Tensor& x, const Shape& dims, bool keepdim) {
  return extreme(amin_op, ReduceOp::minimum, x, dims, keepdim);
}

Tensor sum(const Tensor& x) { return sum(x, all_dimensions(x)); }
Tensor mean(const Tensor& x) { return mean(x, all_dimensions(x)); }
Tensor amax(const Tensor& x) { return amax(x, all_dimensions(x)); }
Tensor amin(const Tensor& x) { return amin(x, all_dimensions(x)); }

Tensor argmax(const Tensor& x, int64_t dim, bool keepdim) {
  check_floating_point(argmax_op.name, "x", x);
  check_min_rank(argmax_op.name, "x", x, 1);
  const int axis = normalize_dim(argmax_op.name, dim, x.rank());
  const Dimensions d = dimensions(argmax_op.name, x, {axis}, keepdim);
  check_not_empty(argmax_op.name, x, d);
  const OpScope scope(argmax_op.name, x);
  const Tensor rows = contiguous(transpose(x.detach(), axis, -1));
  Shape shape = rows.shape();
  shape[shape.rank() - 1] = 1;
  const Tensor index = Tensor::empty(shape, DType::s64);
  visit_floating_point(x.dtype(), [&]<class T>() { argmax_values<T>(rows, index); });
  const NoGradGuard no_tape;
  return record(argmax_op, {{"dim", int64_t{axis}}, {"keepdim", int64_t{keepdim}}}, {x},
                reshape(transpose(index, axis, -1), d.result), nullptr);
}

void reduce_derivatives(Derivatives& all) {
  all.add<sum_derivative>(sum_op);
  all.add<mean_derivative>(mean_op);
  all.add<extreme_derivative>(amax_op);
  all.add<extreme_derivative>(amin_op);
}

void reduce_onnx_forms(OnnxForms& all) {
  all.add(sum_op, onnx<Extent::sum>);
  all.add(mean_op, onnx<Extent::mean>);
  all.add(amax_op, onnx<Extent::largest>);
  all.add(amin_op, onnx<Extent::least>);
  all.add(argmax_op, onnx_argmax);
}

void reduce_axis_rules(AxisRules& all) {
  for (const Op* op : {&sum_op, &mean_op, &amax_op, &amin_op}) all.add(*op, tie_axes);
}

}  // namespace espalier
