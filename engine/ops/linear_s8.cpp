#include "engine/ops/linear_s8.h"

#include <cstring>
#include <string>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/lowering.h"
#include "engine/onnx_forms.h"
#include "engine/ops/layer_s8.h"
#include "engine/ops/view.h"
#include "engine/panels.h"
#include "engine/replay.h"

namespace espalier {
namespace {

// Inputs of linear_s8: x, weight, bias, multiplier, table, scale; of add_linear_s8: residual, x,
// weight, bias, multiplier.
int64_t flops_of(const Shape& weight, const Shape& output) {
  return 2 * output.numel() * weight[1];
}
int64_t linear_s8_flops(Shapes inputs, const Shape& y) { return flops_of(inputs[1], y); }
int64_t add_linear_s8_flops(Shapes inputs, const Shape& y) {
  return flops_of(inputs[2], y) + y.numel();
}

void multiply(const GemmS8Kernel& row, const GemmS8& g) {
  if (row.isa == Isa::cuda) return row.run(g);
  parallel_product(
      g.M, (g.N + row.panel - 1) / row.panel, g.M * g.N * g.K,
      [&](int64_t begin, int64_t end) { row.run(gemm_s8_rows(g, begin, end)); },
      [&](int64_t begin, int64_t end) { row.run(gemm_s8_panels(row, g, begin, end)); });
}

// What both lowerings share: operand `first` is x.
struct LoweredLinear {
  const GemmS8Kernel& row;
  Operand x, bias, multiplier;
  Address packed;
  int64_t N, K;

  LoweredLinear(Lowering& l, int first)
      : row(kernel(gemm_s8_kernels())),
        x(l.even_rows_in(first)),
        bias(l.contiguous_in(first + 2)),
        multiplier(l.contiguous_in(first + 3)) {
    const Tensor weight = contiguous(l.constant(first + 1));
    N = weight.size(0), K = weight.size(1);
    packed = l.keep(packed_weight_s8(row, weight));
  }

  GemmS8 product(const StepRun& run) const {
    GemmS8 g;
    g.M = x.rows(run.batch), g.N = N, g.K = K;
    g.A = run.at<int8_t>(x.address), g.a_row_stride = x.row_stride();
    g.packed_b = run.at<std::byte>(packed);
    g.bias = run.at<int32_t>(bias.address);
    g.multiplier = run.at(multiplier.address);
    g.c_row_stride = N;
    return g;
  }
};

void lower_linear_s8(Lowering& l) {
  const LoweredLinear linear(l, 0);
  const std::optional<Operand> table = l.has(4) ? std::optional(l.contiguous_in(4)) : std::nullopt;
  const Operand y = l.out();
  const auto zero_point = static_cast<int>(l.integer("zero_point"));
  l.step(linear.row.isa, [=](const StepRun& run) {
    GemmS8 g = linear.product(run);
    g.output = GemmS8Output::s8;
    g.zero_point = zero_point;
    g.table = table ? run.at<int8_t>(table->address) : nullptr;
    g.C = run.at<int8_t>(y.address);
    multiply(linear.row, g);
  });
}

void lower_add_linear_s8(Lowering& l) {
  const Operand residual = l.contiguous_in(0);
  const LoweredLinear linear(l, 1);
  const Operand y = l.out_over(residual, 0);
  const bool in_place = y.address.space == residual.address.space &&
                        y.address.index == residual.address.index &&
                        y.address.offset == residual.address.offset;
  l.step(linear.row.isa, [=](const StepRun& run) {
    GemmS8 g = linear.product(run);
    g.output = GemmS8Output::s16_sum;
    g.C = run.at<int16_t>(y.address);
    if (!in_place)
      std::memcpy(g.C, run.at<int16_t>(residual.address),
                  static_cast<size_t>(y.numel(run.batch) * y.element_size()));
    multiply(linear.row, g);
  });
}

Tensor replay_linear_s8(const NodeCall& c) {
  return linear_s8(
      c.in(0), {c.in(1), c.in(2), c.in(3), c.in(5)}, c.integer("zero_point"),
      {c.in(4), c.text("gelu"), {c.real("table_scale"), c.integer("table_zero_point")}});
}
Tensor replay_add_linear_s8(const NodeCall& c) {
  return add_linear_s8(c.in(0), c.in(1), {c.in(2), c.in(3), c.in(4)});
}

// The layer of operands [first, first + 4) on the numbers that codes mean.
OnnxName onnx_product(OnnxWriter& w, int first, const std::vector<double>& scales) {
  const OnnxLayerS8 layer = onnx_layer_s8(w, first, scales, {1, 0});
  return w.add("Add", {w.add("MatMul", {w.in_codes(first), layer.weights}), layer.bias});
}

void onnx_linear_s8(OnnxWriter& w) {
  std::vector<double> scales{0};
  if (w.has(5)) scales = w.constant(5).to_vector();
  const OnnxName y = onnx_product(w, 0, scales);
  if (!w.has(4)) {
    w.out_codes({scales, w.integer("zero_point")});
    return w.out_same(y);
  }
  w.out_codes({{w.real("table_scale")}, w.integer("table_zero_point")});
  const OnnxName codes = w.quantized(y, {scales, w.integer("zero_point")});
  w.out_same(onnx_gelu(w, codes, attribute<const char*>(w.node(), "gelu")));
}

void onnx_add_linear_s8(OnnxWriter& w) {
  const OnnxCodes stream = w.codes(0);
  w.out("Add", {w.in(0), onnx_product(w, 1, stream.scales)});
  w.out_codes(stream);
}

constexpr Op linear_s8_op{.name = "linear_s8",
                          .flops = linear_s8_flops,
                          .row_inputs = 1,
                          .lower = lower_linear_s8,
                          .replay = replay_linear_s8};
constexpr Op add_linear_s8_op{.name = "add_linear_s8",
                              .flops = add_linear_s8_flops,
                              .row_inputs = 2,
                              .lower = lower_add_linear_s8,
                              .replay = replay_add_linear_s8};

void check_layer(const char* op, const Tensor& x, const LinearS8& layer) {
  check_dtype(op, "x", x, DType::s8);
  check_min_rank(op, "x", x, 1);
  check_dtype(op, "weight", layer.weight, DType::s8);
  const int64_t K = x.shape().back();
  if (layer.weight.rank() != 2 || layer.weight.size(1) != K)
    argument_error(op, "weight", layer.weight.describe(), "[out, " + std::to_string(K) + "]",
                   "x is " + x.describe());
  check_layer_s8(op, layer);
}

Shape output_shape(const Tensor& x, const LinearS8& layer) {
  Shape shape = x.shape();
  shape[shape.rank() - 1] = layer.weight.size(0);
  return shape;
}

// Runs `g`, whose output is set, over contiguous operands.
void multiply_now(const Tensor& x, const LinearS8& layer, GemmS8 g) {
  const GemmS8Kernel& row = kernel(gemm_s8_kernels());
  const Tensor in = contiguous(x), packed = packed_weight_s8(row, contiguous(layer.weight));
  const Tensor bias = contiguous(layer.bias), multiplier = contiguous(layer.multiplier);
  g.N = layer.weight.size(0), g.K = layer.weight.size(1);
  g.M = g.K ? x.numel() / g.K : 0;
  g.A = in.data<int8_t>(), g.a_row_stride = g.K;
  g.packed_b = packed.bytes();
  g.bias = bias.data<int32_t>(), g.multiplier = multiplier.data<float>();
  g.c_row_stride = g.N;
  multiply(row, g);
}

}  // namespace

Tensor linear_s8(const Tensor& x, const LinearS8& layer, int64_t zero_point, const TableS8& table) {
  check_layer(linear_s8_op.name, x, layer);
  check_code_s8(linear_s8_op.name, "zero_point", zero_point);
  if (table.codes.defined()) {
    check_dtype(linear_s8_op.name, "table", table.codes, DType::s8);
    check_shape(linear_s8_op.name, "table", table.codes, {256});
  }
  const OpScope scope(linear_s8_op.name, x);
  const NoGradGuard off;
  const Tensor y = Tensor::empty(output_shape(x, layer), DType::s8);
  const Tensor codes = table.codes.defined() ? contiguous(table.codes) : table.codes;
  GemmS8 g;
  g.output = GemmS8Output::s8;
  g.zero_point = static_cast<int>(zero_point);
  g.table = codes.defined() ? codes.data<int8_t>() : nullptr;
  g.C = y.data<int8_t>();
  multiply_now(x, layer, g);
  return record(linear_s8_op,
                {{"zero_point", zero_point},
                 {"gelu", table.gelu},
                 {"table_scale", table.result.scale},
                 {"table_zero_point", table.result.zero_point}},
                {x, layer.weight, layer.bias, layer.multiplier, table.codes, layer.scale}, y,
                nullptr);
}

Tensor add_linear_s8(const Tensor& residual, const Tensor& x, const LinearS8& layer) {
  check_layer(add_linear_s8_op.name, x, layer);
  check_dtype(add_linear_s8_op.name, "residual", residual, DType::s16);
  check_shape(add_linear_s8_op.name, "residual", residual, output_shape(x, layer));
  const OpScope scope(add_linear_s8_op.name, x);
  const NoGradGuard off;
  const Tensor y = Tensor::empty(residual.shape(), DType::s16);
  y.copy_(residual);
  GemmS8 g;
  g.output = GemmS8Output::s16_sum;
  g.C = y.data<int16_t>();
  multiply_now(x, layer, g);
  return record(add_linear_s8_op, {}, {residual, x, layer.weight, layer.bias, layer.multiplier}, y,
                nullptr);
}

void linear_s8_derivatives(Derivatives&) {}

void linear_s8_onnx_forms(OnnxForms& all) {
  all.add(linear_s8_op, onnx_linear_s8);
  all.add(add_linear_s8_op, onnx_add_linear_s8);
}

void linear_s8_axis_rules(AxisRules&) {}

}  // namespace espalier
