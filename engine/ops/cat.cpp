#include "engine/ops/cat.h"

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/replay.h"
#include "engine/strided.h"

namespace espalier {
namespace {

// One input and where in the output it goes.
struct Part {
  Operand from;
  Address to;
};

void lower(Lowering& l) {
  const Operand y = l.out();
  const auto axis = static_cast<int>(l.integer("dim"));
  if (axis == 0) argument_error("compile", l.op(), "dim 0, the batch", "another dimension", "");
  std::vector<Part> parts;
  Address to = y.address;
  for (int i = 0; l.has(i); ++i) {
    parts.push_back({l.in(i), to});
    to.offset += parts.back().from.shape[static_cast<size_t>(axis)].fixed * y.strides[axis] *
                 y.element_size();
  }
  const auto& best = copy_kernel(y.element_size());
  l.step(best.isa, [=, &best](const StepRun& run) {
    for (const Part& part : parts)
      copy_strided(best, shape_at(part.from.shape, run.batch), run.at<std::byte>(part.to),
                   y.strides, run.at<std::byte>(part.from.address), part.from.strides,
                   y.element_size());
  });
}

Tensor replay_call(const NodeCall& c) { return cat(c.inputs, c.integer("dim")); }

void onnx(OnnxWriter& w) {
  std::vector<OnnxName> parts;
  for (int i = 0; w.has(i); ++i) parts.push_back(w.in(i));
  w.out("Concat", parts, {{"axis", w.integer("dim")}});
}

constexpr Op cat_op{.name = "cat", .lower = lower, .replay = replay_call};

Shape joined_shape(std::span<const Tensor> tensors, int axis) {
  Shape shape = tensors[0].shape();
  for (size_t i = 1; i < tensors.size(); ++i) {
    check_same_dtype(cat_op.name, "tensors", tensors[i], tensors[0]);
    Shape expected = shape;
    expected[axis] = tensors[i].rank() == shape.rank() ? tensors[i].shape()[axis] : shape[axis];
    check_shape(cat_op.name, "tensors", tensors[i], expected);
    shape[axis] += tensors[i].shape()[axis];
  }
  return shape;
}

struct Saved {
  int axis;
  RecycledVector<int64_t> ends;  // of each input along the axis
};

void derivative(const Saved& saved, const Tensor& dy, InputGradients& inputs) {
  int64_t begin = 0;
  for (size_t i = 0; i < saved.ends.size(); begin = saved.ends[i++])
    inputs.add(static_cast<int>(i), slice(dy, saved.axis, begin, saved.ends[i]));
}

void tie_axes(NodeAxes& n) {
  const auto joined = static_cast<int>(n.integer("dim"));
  n.fix({NodeAxes::out, joined});
  for (int input = 0; input < n.inputs(); ++input)
    for (int dim = 0; dim < n.rank(input); ++dim)
      if (dim == joined)
        n.fix({input, dim});
      else
        n.tie({input, dim}, {NodeAxes::out, dim});
}

}  // namespace

Tensor cat(std::span<const Tensor> tensors, int64_t dim) {
  if (tensors.empty()) argument_error(cat_op.name, "tensors", "empty", "at least one tensor", "");
  check_defined(cat_op.name, "tensors", tensors[0]);
  const int axis = normalize_dim(cat_op.name, dim, tensors[0].rank());
  const OpScope scope(cat_op.name, tensors[0]);
  const Tensor y = Tensor::empty(joined_shape(tensors, axis), tensors[0].dtype());
  RecycledVector<int64_t> ends;
  int64_t place = 0;
  for (const Tensor& x : tensors) {
    slice(y, axis, place, place + x.shape()[axis]).copy_(x);
    ends.push_back(place += x.shape()[axis]);
  }
  return record(cat_op, {{"dim", int64_t{axis}}}, tensors, y, Saved{axis, std::move(ends)});
}

void cat_derivatives(Derivatives& all) { all.add<derivative>(cat_op); }

void cat_onnx_forms(OnnxForms& all) { all.add(cat_op, onnx); }

void cat_axis_rules(AxisRules& all) { all.add(cat_op, tie_axes); }

}  // namespace espalier
