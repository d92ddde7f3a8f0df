#include "engine/ops/layer_norm_s8.h"

#include <string>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/binary.h"
#include "engine/ops/view.h"
#include "engine/panels.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/layer_norm_s8/layer_norm_s8.h"

namespace espalier {
namespace {

// As layer_norm counts them.
int64_t layer_norm_s8_flops(Shapes inputs, const Shape&) { return 8 * inputs[0].numel(); }

// The operands of kernels/layer_norm_s8.
struct Normalization {
  const int16_t* x;
  const float *weight, *bias;
  int8_t* y;
  int64_t rows, width;
  float eps;
};

void normalize(const KernelRow<LayerNormS8>& row, const Normalization& n) {
  parallel_rows(n.rows, n.width, [&](int64_t begin, int64_t end) {
    row.run(n.x + begin * n.width, n.weight, n.bias, n.y + begin * n.width, end - begin, n.width,
            n.eps);
  });
}

void lower(Lowering& l) {
  const Operand x = l.contiguous_rows_in(0), weight = l.contiguous_in(1), bias = l.contiguous_in(2);
  const Operand y = l.out();
  const auto eps = static_cast<float>(l.real("eps"));
  const auto& best = kernel(layer_norm_s8_kernels());
  l.step(best.isa, [=, &best](const StepRun& run) {
    normalize(best, {run.at<int16_t>(x.address), run.at(weight.address), run.at(bias.address),
                     run.at<int8_t>(y.address), x.rows(run.batch), x.back(), eps});
  });
}

Tensor replay_call(const NodeCall& c) {
  return layer_norm_s8(c.in(0), c.in(1), c.in(2), c.real("eps"),
                       {c.real("scale"), c.integer("zero_point")});
}

// y = weight * scale * normalised x + (bias - zero point) * scale
void onnx(OnnxWriter& w) {
  const double scale = w.real("scale"), stream = w.codes(0).scales[0];
  const int64_t zero_point = w.integer("zero_point");
  w.out_codes({{scale}, zero_point});
  const Tensor weight = mul(w.constant(1), scale);
  const Tensor bias = mul(sub(w.constant(2), static_cast<double>(zero_point)), scale);
  w.out("LayerNormalization", {w.in(0), w.in_place_of(1, weight), w.in_place_of(2, bias)},
        {{"axis", int64_t{-1}}, {"epsilon", w.real("eps") * stream * stream}});
}

constexpr Op layer_norm_s8_op{.name = "layer_norm_s8",
                              .flops = layer_norm_s8_flops,
                              .row_inputs = 1,
                              .lower = lower,
                              .replay = replay_call};

void check(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const char* op = layer_norm_s8_op.name;
  check_dtype(op, "x", x, DType::s16);
  check_min_rank(op, "x", x, 1);
  const int64_t width = x.shape().back();
  if (width > layer_norm_s8_widest)
    argument_error(op, "x", x.describe(), "rows of at most " + std::to_string(layer_norm_s8_widest),
                   "");
  for (const auto& [operand, tensor] : {std::pair("weight", weight), std::pair("bias", bias)}) {
    check_dtype(op, operand, tensor, DType::f32);
    check_shape(op, operand, tensor, {width});
  }
  if (!(static_cast<float>(eps) > 0))
    argument_error(op, "eps", std::to_string(eps), "a positive number that f32 holds", "");
}

}  // namespace

Tensor layer_norm_s8(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                     const Affine& codes) {
  check(x, weight, bias, eps);
  const OpScope scope(layer_norm_s8_op.name, x);
  const NoGradGuard off;
  const Tensor in = contiguous(x), gamma = contiguous(weight), beta = contiguous(bias);
  const Tensor y = Tensor::empty(x.shape(), DType::s8);
  const int64_t width = x.shape().back();
  normalize(kernel(layer_norm_s8_kernels()),
            {in.data<int16_t>(), gamma.data<float>(), beta.data<float>(), y.data<int8_t>(),
             width ? x.numel() / width : 0, width, static_cast<float>(eps)});
  return record(layer_norm_s8_op,
                {{"eps", eps}, {"scale", codes.scale}, {"zero_point", codes.zero_point}},
                {x, weight, bias}, y, nullptr);
}

void layer_norm_s8_derivatives(Derivatives&) {}

void layer_norm_s8_onnx_forms(OnnxForms& all) { all.add(layer_norm_s8_op, onnx); }

void layer_norm_s8_axis_rules(AxisRules&) {}

}  // namespace espalier
