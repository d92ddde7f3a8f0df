#include "engine/ops/unary.h"

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/unary/unary.h"

namespace espalier {
namespace {

int64_t unary_flops(Shapes, const Shape& output) { return output.numel(); }

template <class T>
void forward(const KernelRow<UnaryForward<T>>& row, UnaryOp op, const T* x, T* y, int64_t count) {
  parallel_for(count, grain_for(1),
               [&](int64_t begin, int64_t end) { row.run(op, x + begin, y + begin, end - begin); });
}

template <UnaryOp op>
void lower(Lowering& l) {
  const Operand x = l.contiguous_in(0), y = l.out_over(x, 0);
  const auto& best = kernel(unary_forward_kernels<float>());
  l.step(best.isa, [=, &best](const StepRun& run) {
    forward(best, op, run.at(x.address), run.at(y.address), x.numel(run.batch));
  });
}

using UnaryFunction = Tensor(const Tensor&);

template <UnaryFunction* function>
Tensor replay_call(const NodeCall& c) {
  return function(c.in(0));
}

template <UnaryOp op, UnaryFunction* function>
constexpr Op described(const char* name) {
  return {.name = name,
          .flops = unary_flops,
          .row_inputs = 1,
          .lower = lower<op>,
          .replay = replay_call<function>};
}

constexpr Op unary_ops[] = {described<UnaryOp::neg, espalier::neg>("neg"),
                            described<UnaryOp::abs, espalier::abs>("abs"),
                            described<UnaryOp::square, espalier::square>("square"),
                            described<UnaryOp::sqrt, espalier::sqrt>("sqrt"),
                            described<UnaryOp::rsqrt, espalier::rsqrt>("rsqrt"),
                            described<UnaryOp::reciprocal, espalier::reciprocal>("reciprocal"),
                            described<UnaryOp::exp, espalier::exp>("exp"),
                            described<UnaryOp::log, espalier::log>("log"),
                            described<UnaryOp::tanh, espalier::tanh>("tanh"),
                            described<UnaryOp::sigmoid, espalier::sigmoid>("sigmoid")};

// In the order of UnaryOp; null where ONNX takes two operators.
constexpr const char* onnx_types[] = {"Neg",        "Abs", nullptr, "Sqrt", nullptr,
                                      "Reciprocal", "Exp", "Log",   "Tanh", "Sigmoid"};

void onnx(OnnxWriter& w) {
  const auto op = static_cast<UnaryOp>(w.node().op - unary_ops);
  if (op == UnaryOp::square)
    w.out("Mul", {w.in(0), w.in(0)});
  else if (op == UnaryOp::rsqrt)
    w.out("Reciprocal", {w.add("Sqrt", {w.in(0)})});
  else
    w.out(onnx_types[static_cast<size_t>(op)], {w.in(0)});
}

template <class T>
void backward_values(UnaryOp op, const Tensor& saved, const Tensor& dy, const Tensor& dx) {
  const auto& best = kernel(unary_backward_kernels<T>());
  parallel_for(dx.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(op, saved.data<T>() + begin, dy.data<T>() + begin, dx.data<T>() + begin, end - begin);
  });
}

struct Saved {
  UnaryOp op;
  Tensor x_or_y;  // whichever the derivative is computed from
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  add_same_shape_gradient(gradient, inputs, [&]<class T>(const Tensor& dy, const Tensor& dx) {
    backward_values<T>(saved.op, saved.x_or_y, dy, dx);
  });
}

Tensor unary(UnaryOp op, const Tensor& x) {
  const Op& facts = unary_ops[static_cast<size_t>(op)];
  check_floating_point(facts.name, "x", x);
  const OpScope scope(facts.name, x);
  const Tensor in = contiguous(x.detach());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() {
    forward(kernel(unary_forward_kernels<T>()), op, in.data<T>(), y.data<T>(), x.numel());
  });
  return record(facts, {}, {x}, y, Saved{op, unary_keeps_output(op) ? y.detach() : in});
}

}  // namespace

Tensor neg(const Tensor& x) { return unary(UnaryOp::neg, x); }
Tensor abs(const Tensor& x) { return unary(UnaryOp::abs, x); }
Tensor square(const Tensor& x) { return unary(UnaryOp::square, x); }
Tensor sqrt(const Tensor& x) { return unary(UnaryOp::sqrt, x); }
Tensor rsqrt(const Tensor& x) { return unary(UnaryOp::rsqrt, x); }
Tensor reciprocal(const Tensor& x) { return unary(UnaryOp::reciprocal, x); }
Tensor exp(const Tensor& x) { return unary(UnaryOp::exp, x); }
Tensor log(const Tensor& x) { return unary(UnaryOp::log, x); }
Tensor tanh(const Tensor& x) { return unary(UnaryOp::tanh, x); }
Tensor sigmoid(const Tensor& x) { return unary(UnaryOp::sigmoid, x); }

void unary_derivatives(Derivatives& all) {
  for (const Op& op : unary_ops) all.add<derivative>(op);
}

void unary_onnx_forms(OnnxForms& all) {
  for (const Op& op : unary_ops) all.add(op, onnx);
}

void unary_axis_rules(AxisRules& all) {
  for (const Op& op : unary_ops) all.add(op, tie_elementwise);
}

}  // namespace espalier
