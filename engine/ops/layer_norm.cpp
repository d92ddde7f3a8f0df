#include "engine/ops/layer_norm.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/panels.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/layer_norm/layer_norm.h"

namespace espalier {
namespace {

// Two sums (one of squares), and four steps for the result, for each element.
int64_t layer_norm_flops(Shapes inputs, const Shape&) { return 8 * inputs[0].numel(); }

// What backward keeps. mean and rstd are one value a row, undefined where no gradient is wanted.
struct Saved {
  Tensor x, weight, mean, rstd;
  int64_t width() const { return x.shape().back(); }
  int64_t rows() const { return width() ? x.numel() / width() : 0; }
};

// The operands of kernels/layer_norm.
template <class T>
struct Normalization {
  const T *x, *gamma, *beta;
  T *y, *mean, *rstd;
  int64_t rows, width;
  double eps;
};

template <class T>
void forward_rows(const KernelRow<LayerNormForward<T>>& row, const Normalization<T>& n) {
  parallel_rows(n.rows, n.width, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * n.width;
    row.run(n.x + first, n.gamma, n.beta, n.y + first, n.mean ? n.mean + begin : nullptr,
            n.rstd ? n.rstd + begin : nullptr, end - begin, n.width, static_cast<T>(n.eps));
  });
}

void lower(Lowering& l) {
  const Operand x = l.contiguous_rows_in(0), gamma = l.contiguous_in(1), beta = l.contiguous_in(2);
  const Operand y = l.out_over(x, 0);
  const double eps = l.real("eps");
  const auto& best = kernel(layer_norm_forward_kernels<float>());
  l.step(best.isa, [=, &best](const StepRun& run) {
    forward_rows<float>(
        best, {run.at(x.address), run.at(gamma.address), run.at(beta.address), run.at(y.address),
               nullptr, nullptr, x.rows(run.batch), x.back(), eps});
  });
}

Tensor replay_call(const NodeCall& c) {
  return layer_norm(c.in(0), c.in(1), c.in(2), c.real("eps"));
}

void onnx(OnnxWriter& w) {
  w.out("LayerNormalization", {w.in(0), w.in(1), w.in(2)},
        {{"axis", int64_t{-1}}, {"epsilon", attribute<double>(w.node(), "eps")}});
}

constexpr Op layer_norm_op{.name = "layer_norm",
                           .flops = layer_norm_flops,
                           .row_inputs = 1,
                           .lower = lower,
                           .replay = replay_call};

// sum over p of parts[p, which, :], in the order of p.
template <class T>
Tensor sum_parts(const Tensor& parts, int64_t which) {
  const int64_t count = parts.size(0), width = parts.size(2);
  if (count == 1) return reshape(slice(parts, 1, which, which + 1), {width});
  const Tensor out = Tensor::zeros({width}, parts.dtype());
  T* sum = out.data<T>();
  for (int64_t p = 0; p < count; ++p) {
    const T* part = parts.data<T>() + (p * 2 + which) * width;
    for (int64_t i = 0; i < width; ++i) sum[i] += part[i];
  }
  return out;
}

// Each piece of rows adds into sums of its own, which are combined in the pieces' order: the result
// does not depend on the number of threads.
template <class T>
void backward_rows(const Saved& s, const Tensor& dy, InputGradients& inputs) {
  const auto& best = kernel(layer_norm_backward_kernels<T>());
  const int64_t width = s.width();
  const int64_t grain = on_cuda() ? std::max<int64_t>(s.rows(), 1) : grain_for(width);
  const bool parameters = inputs.wants(1) || inputs.wants(2);
  const int64_t pieces = parameters ? (s.rows() + grain - 1) / grain : 0;
  const Tensor parts = Tensor::zeros({pieces, 2, width}, s.x.dtype());
  const Tensor dx = Tensor::empty(s.x.shape(), s.x.dtype());
  parallel_for(s.rows(), grain, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * width;
    T* sums = parameters ? parts.data<T>() + begin / grain * 2 * width : nullptr;
    best.run(s.x.data<T>() + first, s.weight.data<T>(), s.mean.data<T>() + begin,
             s.rstd.data<T>() + begin, dy.data<T>() + first, dx.data<T>() + first, sums,
             sums ? sums + width : nullptr, end - begin, width);
  });
  inputs.add(0, dx);
  if (inputs.wants(1)) inputs.add(1, sum_parts<T>(parts, 0));
  if (inputs.wants(2)) inputs.add(2, sum_parts<T>(parts, 1));
}

void check(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check_floating_point(layer_norm_op.name, "x", x);
  check_min_rank(layer_norm_op.name, "x", x, 1);
  const Shape width{x.shape().back()};
  check_shape(layer_norm_op.name, "weight", weight, width);
  check_same_dtype(layer_norm_op.name, "weight", weight, x);
  check_shape(layer_norm_op.name, "bias", bias, width);
  check_same_dtype(layer_norm_op.name, "bias", bias, x);
  if (!(eps >= 0)) argument_error(layer_norm_op.name, "eps", std::to_string(eps), "eps >= 0", "");
}

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  const Tensor dy = contiguous(gradient);
  visit_floating_point(dy.dtype(), [&]<class T>() { backward_rows<T>(saved, dy, inputs); });
}

void tie_axes(NodeAxes& n) {
  n.tie_aligned(0, NodeAxes::out);
  for (int row : {1, 2})
    if (n.has(row)) n.tie({row, 0}, {0, -1});
  n.mark({0, -1}, AxisRole::normalised);
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check(x, weight, bias, eps);
  const OpScope scope(layer_norm_op.name, x);
  Saved saved{contiguous(x.detach()), contiguous(weight.detach()), {}, {}};
  if (grad_enabled() && (x.requires_grad() || weight.requires_grad() || bias.requires_grad())) {
    saved.mean = Tensor::empty({saved.rows()}, x.dtype());
    saved.rstd = Tensor::empty({saved.rows()}, x.dtype());
  }
  const Tensor offset = contiguous(bias.detach());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() {
    forward_rows<T>(
        kernel(layer_norm_forward_kernels<T>()),
        {saved.x.data<T>(), saved.weight.data<T>(), offset.data<T>(), y.data<T>(),
         saved.mean.defined() ? saved.mean.data<T>() : nullptr,
         saved.rstd.defined() ? saved.rstd.data<T>() : nullptr, saved.rows(), saved.width(), eps});
  });
  return record(layer_norm_op, {{"eps", eps}}, {x, weight, bias}, y, saved);
}

void layer_norm_derivatives(Derivatives& all) { all.add<derivative>(layer_norm_op); }

void layer_norm_onnx_forms(OnnxForms& all) { all.add(layer_norm_op, onnx); }

void layer_norm_axis_rules(AxisRules& all) { all.add(layer_norm_op, tie_axes); }

}  // namespace espalier
