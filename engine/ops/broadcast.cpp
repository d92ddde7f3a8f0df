#include "engine/ops/broadcast.h"

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/reduce.h"
#include "engine/ops/view.h"
#include "engine/replay.h"

namespace espalier {
namespace {

void lower(Lowering& l) {
  const Operand x = l.in(0);
  l.out_view({l.out_shape(),
              broadcast_strides(shape_at(x.shape, 2), x.strides, shape_at(l.out_shape(), 2)),
              x.address, x.dtype});
}

Tensor replay_call(const NodeCall& c) { return expand(c.in(0), c.shape("shape")); }

void onnx(OnnxWriter& w) { w.out("Expand", {w.in(0), w.shape(w.out_shape())}); }

constexpr Op expand_op{.name = "expand", .view = true, .lower = lower, .replay = replay_call};

void check_broadcast(const char* op, const Shape& narrow, const Shape& wide) {
  if (!(broadcast_shapes(op, narrow, wide) == wide))
    argument_error(op, "shape", wide.str(), "one that " + narrow.str() + " broadcasts to", "");
}

struct Saved {
  Shape x;
};

void derivative(const Saved& saved, const Tensor& dy, InputGradients& inputs) {
  inputs.add(0, sum_to(dy, saved.x));
}

}  // namespace

Tensor expand(const Tensor& x, const Shape& shape) {
  check_defined(expand_op.name, "x", x);
  check_broadcast(expand_op.name, x.shape(), shape);
  const Tensor y =
      x.as_strided(shape, broadcast_strides(x.shape(), x.strides(), shape), x.storage_offset());
  return record(expand_op, {{"shape", shape}}, {x}, y, Saved{x.shape()});
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  check_floating_point("sum_to", "x", x);
  check_broadcast("sum_to", shape, x.shape());
  Shape repeated;
  const int leading = x.rank() - shape.rank();
  for (int i = 0; i < x.rank(); ++i)
    if (i < leading || shape[i - leading] != x.shape()[i]) repeated.push_back(i);
  return repeated.rank() ? reshape(sum(x, repeated), shape) : x;
}

void broadcast_derivatives(Derivatives& all) { all.add<derivative>(expand_op); }

void broadcast_onnx_forms(OnnxForms& all) { all.add(expand_op, onnx); }

void broadcast_axis_rules(AxisRules& all) { all.add(expand_op, tie_elementwise); }

}  // namespace espalier
