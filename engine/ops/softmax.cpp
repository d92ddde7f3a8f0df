#include "engine/ops/softmax.h"

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/softmax/softmax.h"

namespace espalier {
namespace {

// A maximum, a subtraction, an exponential counted as one, a sum and a division for each element.
int64_t softmax_flops(Shapes inputs, const Shape&) { return 5 * inputs[0].numel(); }

template <class T>
void forward_rows(const KernelRow<SoftmaxForward<T>>& row, const T* x, T* y, int64_t rows,
                  int64_t width) {
  parallel_for(rows, grain_for(width), [&](int64_t begin, int64_t end) {
    row.run(x + begin * width, y + begin * width, end - begin, width);
  });
}

void lower(Lowering& l) {
  const Operand x = l.contiguous_rows_in(0), y = l.out_over(x, 0);
  const auto& best = kernel(softmax_forward_kernels<float>());
  l.step(best.isa, [=, &best](const StepRun& run) {
    forward_rows(best, run.at(x.address), run.at(y.address), x.rows(run.batch), x.back());
  });
}

Tensor replay_call(const NodeCall& c) { return softmax(c.in(0), c.integer("dim")); }

void onnx(OnnxWriter& w) { w.out("Softmax", {w.in(0)}, {{"axis", w.integer("dim")}}); }

constexpr Op softmax_op{.name = "softmax",
                        .flops = softmax_flops,
                        .row_inputs = 1,
                        .lower = lower,
                        .replay = replay_call};

template <class T>
void backward_rows(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  const int64_t width = y.shape().back(), rows = width ? y.numel() / width : 0;
  const auto& best = kernel(softmax_backward_kernels<T>());
  parallel_for(rows, grain_for(width), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * width;
    best.run(y.data<T>() + first, dy.data<T>() + first, dx.data<T>() + first, end - begin, width);
  });
}

struct Saved {
  Tensor y;
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  add_same_shape_gradient(gradient, inputs, [&]<class T>(const Tensor& dy, const Tensor& dx) {
    backward_rows<T>(saved.y, dy, dx);
  });
}

void tie_axes(NodeAxes& n) {
  tie_elementwise(n);
  n.fix({0, static_cast<int>(n.integer("dim"))});
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t dim) {
  check_floating_point(softmax_op.name, "x", x);
  check_min_rank(softmax_op.name, "x", x, 1);
  const int axis = normalize_dim(softmax_op.name, dim, x.rank());
  if (axis != x.rank() - 1) return transpose(softmax(transpose(x, axis, -1), -1), axis, -1);

  const OpScope scope(softmax_op.name, x);
  const Tensor in = contiguous(x.detach());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  const int64_t width = x.shape().back(), rows = width ? x.numel() / width : 0;
  visit_floating_point(x.dtype(), [&]<class T>() {
    forward_rows(kernel(softmax_forward_kernels<T>()), in.data<T>(), y.data<T>(), rows, width);
  });
  return record(softmax_op, {{"dim", int64_t{axis}}}, {x}, y, Saved{y.detach()});
}

void softmax_derivatives(Derivatives& all) { all.add<derivative>(softmax_op); }

void softmax_onnx_forms(OnnxForms& all) { all.add(softmax_op, onnx); }

void softmax_axis_rules(AxisRules& all) { all.add(softmax_op, tie_axes); }

}  // namespace espalier
