#include "engine/ops/relu.h"

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/relu/relu.h"

namespace espalier {
namespace {

// One comparison an element.
int64_t relu_flops(Shapes inputs, const Shape&) { return inputs[0].numel(); }

template <class T>
void forward_elements(const KernelRow<ReluForward<T>>& row, const T* x, T* y, int64_t count) {
  parallel_for(count, grain_for(1),
               [&](int64_t begin, int64_t end) { row.run(x + begin, y + begin, end - begin); });
}

void lower(Lowering& l) {
  const Operand x = l.contiguous_in(0), y = l.out_over(x, 0);
  const auto& best = kernel(relu_forward_kernels<float>());
  l.step(best.isa, [=, &best](const StepRun& run) {
    forward_elements(best, run.at(x.address), run.at(y.address), x.numel(run.batch));
  });
}

Tensor replay_call(const NodeCall& c) { return relu(c.in(0)); }

void onnx(OnnxWriter& w) { w.out("Relu", {w.in(0)}); }

constexpr Op relu_op{
    .name = "relu", .flops = relu_flops, .row_inputs = 1, .lower = lower, .replay = replay_call};

template <class T>
void backward_elements(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  const auto& best = kernel(relu_backward_kernels<T>());
  parallel_for(y.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(y.data<T>() + begin, dy.data<T>() + begin, dx.data<T>() + begin, end - begin);
  });
}

struct Saved {
  Tensor y;
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  add_same_shape_gradient(gradient, inputs, [&]<class T>(const Tensor& dy, const Tensor& dx) {
    backward_elements<T>(saved.y, dy, dx);
  });
}

}  // namespace

Tensor relu(const Tensor& x) {
  check_floating_point(relu_op.name, "x", x);
  const OpScope scope(relu_op.name, x);
  const Tensor in = contiguous(x.detach());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() {
    forward_elements(kernel(relu_forward_kernels<T>()), in.data<T>(), y.data<T>(), x.numel());
  });
  return record(relu_op, {}, {x}, y, Saved{y.detach()});
}

void relu_derivatives(Derivatives& all) { all.add<derivative>(relu_op); }

void relu_onnx_forms(OnnxForms& all) { all.add(relu_op, onnx); }

void relu_axis_rules(AxisRules& all) { all.add(relu_op, tie_elementwise); }

}  // namespace espalier
