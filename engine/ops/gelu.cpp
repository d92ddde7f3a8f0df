#include "engine/ops/gelu.h"

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_forms.h"
#include "engine/ops/view.h"
#include "engine/panels.h"
#include "engine/parallel.h"
#include "engine/replay.h"

namespace espalier {
namespace {

// An exponential counted as one, a polynomial ratio of nine steps, and four around them.
int64_t gelu_flops(Shapes inputs, const Shape&) { return 24 * inputs[0].numel(); }

template <class T>
void forward(const KernelRow<GeluForward<T>>& row, GeluKind kind, const T* x, T* y, int64_t count) {
  parallel_rows(count, 1, [&](int64_t begin, int64_t end) {
    row.run(kind, x + begin, y + begin, end - begin);
  });
}

constexpr const char* form_of(GeluKind kind) { return kind == GeluKind::erf ? "erf" : "tanh"; }

GeluKind kind_of(const std::string& form) {
  return form == form_of(GeluKind::erf) ? GeluKind::erf : GeluKind::tanh;
}

void lower(Lowering& l) {
  const Operand x = l.contiguous_in(0), y = l.out_over(x, 0);
  const GeluKind kind = kind_of(l.text("form"));
  const auto& best = kernel(gelu_forward_kernels<float>());
  l.step(best.isa, [=, &best](const StepRun& run) {
    forward(best, kind, run.at(x.address), run.at(y.address), x.numel(run.batch));
  });
}

Tensor replay_call(const NodeCall& c) { return gelu(c.in(0), kind_of(c.text("form"))); }

void onnx(OnnxWriter& w) {
  w.out_same(onnx_gelu(w, w.in(0), attribute<const char*>(w.node(), "form")));
}

constexpr Op gelu_op{
    .name = "gelu", .flops = gelu_flops, .row_inputs = 1, .lower = lower, .replay = replay_call};

template <class T>
void forward_training(GeluKind kind, const Tensor& x, const Tensor& y, const Tensor& slope) {
  const auto& best = kernel(gelu_training_kernels<T>());
  parallel_for(x.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(kind, x.data<T>() + begin, y.data<T>() + begin, slope.data<T>() + begin, end - begin);
  });
}

template <class T>
void backward_slope(const Tensor& slope, const Tensor& dy, const Tensor& dx) {
  const auto& best = kernel(gelu_backward_kernels<T>());
  parallel_for(dx.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(slope.data<T>() + begin, dy.data<T>() + begin, dx.data<T>() + begin, end - begin);
  });
}

struct Saved {
  Tensor slope;
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  add_same_shape_gradient(gradient, inputs, [&]<class T>(const Tensor& dy, const Tensor& dx) {
    backward_slope<T>(saved.slope, dy, dx);
  });
}

}  // namespace

Tensor gelu(const Tensor& x, GeluKind kind) {
  check_floating_point(gelu_op.name, "x", x);
  const OpScope scope(gelu_op.name, x);
  const Tensor in = contiguous(x.detach());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  const bool training = grad_enabled() && x.requires_grad();
  const Tensor slope = training ? Tensor::empty(x.shape(), x.dtype()) : Tensor();
  visit_floating_point(x.dtype(), [&]<class T>() {
    if (training)
      forward_training<T>(kind, in, y, slope);
    else
      forward(kernel(gelu_forward_kernels<T>()), kind, in.data<T>(), y.data<T>(), x.numel());
  });
  return record(gelu_op, {{"form", form_of(kind)}}, {x}, y, Saved{slope});
}

void gelu_derivatives(Derivatives& all) { all.add<derivative>(gelu_op); }

void gelu_onnx_forms(OnnxForms& all) { all.add(gelu_op, onnx); }

void gelu_axis_rules(AxisRules& all) { all.add(gelu_op, tie_elementwise); }

}  // namespace espalier
