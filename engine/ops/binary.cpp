#include "engine/ops/binary.h"

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "engine/replay.h"
#include "engine/strided.h"
#include "kernels/binary/binary.h"

namespace espalier {
namespace {

int64_t one_flop_an_element(Shapes, const Shape& y) { return y.numel(); }

template <class T>
void run_pieces(const KernelRow<Binary<T>>& row, BinaryOp op, const StridedPair& s, const T* a,
                const T* b, T* y) {
  for_each_matrix(s, [&](const MatrixPiece& piece) {
    row.run(op, {a + piece.a, s.a_row_stride(), s.a.back()},
            {b + piece.b, s.b_row_stride(), s.b.back()}, y + piece.index, piece.rows,
            piece.columns);
  });
}

StridedPair layout_of(const Tensor& a, const Tensor& b, const Shape& shape) {
  return merge_dimensions(shape, broadcast_strides(a.shape(), a.strides(), shape),
                          broadcast_strides(b.shape(), b.strides(), shape));
}

StridedPair layout_of(const Operand& a, const Operand& b, const BatchShape& shape, int64_t batch) {
  const Shape wide = shape_at(shape, batch);
  return merge_dimensions(wide, broadcast_strides(shape_at(a.shape, batch), a.strides, wide),
                          broadcast_strides(shape_at(b.shape, batch), b.strides, wide));
}

template <BinaryOp op>
void lower(Lowering& l) {
  Operand a = l.in(0), b = l.in(1);
  const StridedPair layout = layout_of(a, b, l.out_shape(), 2);
  if (layout.a.back() > 1 || layout.b.back() > 1) {  // the kernel wants contiguous columns
    a = l.contiguous_in(0);
    b = l.contiguous_in(1);
  }
  const Operand y = a.shape == l.out_shape() ? l.out_over(a, 0) : l.out_over(b, 1);
  const auto& best = kernel(binary_kernels<float>());
  l.step(best.isa, [=, &best](const StepRun& run) {
    run_pieces<float>(best, op, layout_of(a, b, y.shape, run.batch), run.at(a.address),
                      run.at(b.address), run.at(y.address));
  });
}

template <BinaryOp op>
void onnx(OnnxWriter& w) {
  const char* type = op == BinaryOp::add       ? "Add"
                     : op == BinaryOp::sub     ? "Sub"
                     : op == BinaryOp::mul     ? "Mul"
                     : op == BinaryOp::div     ? "Div"
                     : op == BinaryOp::maximum ? "Max"
                                               : "Min";
  w.out(type, {w.in(0), w.in(1)});
}

using BinaryFunction = Tensor(const Tensor&, const Tensor&);

template <BinaryFunction* function>
Tensor replay_call(const NodeCall& c) {
  return function(c.in(0), c.in(1));
}

template <BinaryOp op, BinaryFunction* function>
constexpr Op described(const char* name) {
  return {.name = name,
          .flops = one_flop_an_element,
          .row_inputs = 2,
          .lower = lower<op>,
          .replay = replay_call<function>};
}

constexpr Op add_op = described<BinaryOp::add, add>("add"),
             sub_op = described<BinaryOp::sub, sub>("sub");
constexpr Op mul_op = described<BinaryOp::mul, mul>("mul"),
             div_op = described<BinaryOp::div, div>("div");
constexpr Op maximum_op = described<BinaryOp::maximum, maximum>("maximum");
constexpr Op minimum_op = described<BinaryOp::minimum, minimum>("minimum");
constexpr Op maximum_share_op =
    described<BinaryOp::share, espalier::maximum_share>("maximum_share");

struct SavedOperands {
  Tensor a, b;
};

// f(a, b) off the tape.
Tensor apply(BinaryOp op, Tensor a, Tensor b) {
  const NoGradGuard off;
  const Tensor y = Tensor::empty(broadcast_shapes("binary", a.shape(), b.shape()), a.dtype());
  StridedPair layout = layout_of(a, b, y.shape());
  if (layout.a.back() > 1 || layout.b.back() > 1) {  // the kernel wants contiguous columns
    a = contiguous(a);
    b = contiguous(b);
    layout = layout_of(a, b, y.shape());
  }
  visit_floating_point(y.dtype(), [&]<class T>() {
    run_pieces(kernel(binary_kernels<T>()), op, layout, a.data<T>(), b.data<T>(), y.data<T>());
  });
  return y;
}

// A number as an operand beside `like`.
Tensor number(const Op& op, double value, const Tensor& like) {
  check_floating_point(op.name, "the tensor", like);
  const DeviceScope beside(like.device());
  return Tensor::full({}, value, like.dtype());
}

Tensor forward(const Op& op, BinaryOp which, const Tensor& a, const Tensor& b) {
  check_floating_point(op.name, "a", a);
  check_floating_point(op.name, "b", b);
  check_same_dtype(op.name, "b", b, a);
  broadcast_shapes(op.name, a.shape(), b.shape());
  const OpScope scope(op.name, a);
  return apply(which, a.detach(), b.detach());
}

// The greater (or lesser) of two.
Tensor choose(const Op& op, BinaryOp which, const Tensor& a, const Tensor& b) {
  const Tensor y = forward(op, which, a, b);
  return record(op, {}, {a, b}, y, SavedOperands{a.detach(), b.detach()});
}

struct SavedShapes {
  Shape a, b;
};

void add_derivative(const SavedShapes& saved, const Tensor& dy, InputGradients& inputs) {
  if (inputs.wants(0)) inputs.add(0, sum_to(dy, saved.a));
  if (inputs.wants(1)) inputs.add(1, sum_to(dy, saved.b));
}

void sub_derivative(const SavedShapes& saved, const Tensor& dy, InputGradients& inputs) {
  if (inputs.wants(0)) inputs.add(0, sum_to(dy, saved.a));
  if (inputs.wants(1)) inputs.add(1, sum_to(neg(dy), saved.b));
}

void mul_derivative(const SavedOperands& saved, const Tensor& dy, InputGradients& inputs) {
  const auto& [a, b] = saved;
  if (inputs.wants(0)) inputs.add(0, sum_to(apply(BinaryOp::mul, dy, b), a.shape()));
  if (inputs.wants(1)) inputs.add(1, sum_to(apply(BinaryOp::mul, dy, a), b.shape()));
}

struct SavedQuotient {
  Shape a;
  Tensor b, y;
};

void div_derivative(const SavedQuotient& saved, const Tensor& dy, InputGradients& inputs) {
  const auto& [a, b, y] = saved;
  const Tensor da = apply(BinaryOp::div, dy, b);
  if (inputs.wants(0)) inputs.add(0, sum_to(da, a));
  if (inputs.wants(1)) inputs.add(1, sum_to(neg(apply(BinaryOp::mul, da, y)), b.shape()));
}

// The gradient goes to the operand that was chosen.
template <bool greater>
void choice_derivative(const SavedOperands& saved, const Tensor& dy, InputGradients& inputs) {
  const auto& [a, b] = saved;
  const Tensor to_a = apply(BinaryOp::share, greater ? a : b, greater ? b : a);
  const Tensor da = apply(BinaryOp::mul, dy, to_a);
  inputs.add(0, sum_to(da, a.shape()));
  inputs.add(1, sum_to(apply(BinaryOp::sub, dy, da), b.shape()));
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  const Tensor y = forward(add_op, BinaryOp::add, a, b);
  return record(add_op, {}, {a, b}, y, SavedShapes{a.shape(), b.shape()});
}

Tensor sub(const Tensor& a, const Tensor& b) {
  const Tensor y = forward(sub_op, BinaryOp::sub, a, b);
  return record(sub_op, {}, {a, b}, y, SavedShapes{a.shape(), b.shape()});
}

Tensor mul(const Tensor& a, const Tensor& b) {
  const Tensor y = forward(mul_op, BinaryOp::mul, a, b);
  return record(mul_op, {}, {a, b}, y, SavedOperands{a.detach(), b.detach()});
}

Tensor div(const Tensor& a, const Tensor& b) {
  const Tensor y = forward(div_op, BinaryOp::div, a, b);
  return record(div_op, {}, {a, b}, y, SavedQuotient{a.shape(), b.detach(), y.detach()});
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return choose(maximum_op, BinaryOp::maximum, a, b);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return choose(minimum_op, BinaryOp::minimum, a, b);
}

Tensor maximum_share(const Tensor& a, const Tensor& b) {
  const NoGradGuard no_tape;
  return record(maximum_share_op, {}, {a, b}, forward(maximum_share_op, BinaryOp::share, a, b),
                nullptr);
}

Tensor add(const Tensor& a, double b) { return add(a, number(add_op, b, a)); }
Tensor sub(const Tensor& a, double b) { return sub(a, number(sub_op, b, a)); }
Tensor sub(double a, const Tensor& b) { return sub(number(sub_op, a, b), b); }
Tensor mul(const Tensor& a, double b) { return mul(a, number(mul_op, b, a)); }
Tensor div(const Tensor& a, double b) { return div(a, number(div_op, b, a)); }
Tensor div(double a, const Tensor& b) { return div(number(div_op, a, b), b); }
Tensor maximum(const Tensor& a, double b) { return maximum(a, number(maximum_op, b, a)); }
Tensor minimum(const Tensor& a, double b) { return minimum(a, number(minimum_op, b, a)); }

void binary_derivatives(Derivatives& all) {
  all.add<add_derivative>(add_op);
  all.add<sub_derivative>(sub_op);
  all.add<mul_derivative>(mul_op);
  all.add<div_derivative>(div_op);
  all.add<choice_derivative<true>>(maximum_op);
  all.add<choice_derivative<false>>(minimum_op);
}

void binary_onnx_forms(OnnxForms& all) {
  all.add(add_op, onnx<BinaryOp::add>);
  all.add(sub_op, onnx<BinaryOp::sub>);
  all.add(mul_op, onnx<BinaryOp::mul>);
  all.add(div_op, onnx<BinaryOp::div>);
  all.add(maximum_op, onnx<BinaryOp::maximum>);
  all.add(minimum_op, onnx<BinaryOp::minimum>);
}

void binary_axis_rules(AxisRules& all) {
  for (const Op* op :
       {&add_op, &sub_op, &mul_op, &div_op, &maximum_op, &minimum_op, &maximum_share_op})
    all.add(*op, tie_elementwise);
}

}  // namespace espalier
