#include "engine/ops/linear.h"

#include <algorithm>
#include <cstring>

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/gemm.h"
#include "engine/lowering.h"
#include "engine/ops/linear_forms.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/profiler.h"
#include "engine/replay.h"
#include "kernels/gemm_half/gemm_half.h"
#include "kernels/mlp_bf16/mlp_bf16.h"
#include "kernels/reduce/reduce.h"

namespace espalier {

int64_t linear_flops(Shapes inputs, const Shape& output) {
  return 2 * output.numel() * inputs[0].back();
}

void onnx_linear(OnnxWriter& w, const OnnxName& x, const OnnxName& weight, int bias) {
  if (w.has(bias))
    w.out("Add", {w.add("MatMul", {x, weight}), w.in(bias)});
  else
    w.out("MatMul", {x, weight});
}

namespace {

void lower(Lowering& l);

Tensor replay_call(const NodeCall& c) { return linear(c.in(0), c.in(1), c.in(2)); }

void onnx(OnnxWriter& w) {
  const OnnxName x = w.in(0), weight = w.in_permuted(1, {1, 0});
  onnx_linear(w, x, weight, 2);
}

constexpr Op linear_op{.name = "linear",
                       .flops = linear_flops,
                       .row_inputs = 1,
                       .lower = lower,
                       .replay = replay_call};

// M tokens of `in` features become M of `out`.
struct Sizes {
  int64_t M, in, out;
  Precision precision;

  Sizes(const Tensor& x, const Tensor& weight)
      : in(weight.size(1)), out(weight.size(0)), precision(product_precision(linear_op.name, x)) {
    Shape rows = x.shape();
    rows[rows.rank() - 1] = 1;
    M = rows.numel();
  }
};

template <class T>
void forward(const Sizes& s, const Tensor& x, const Tensor& weight, const Tensor& bias,
             const Tensor& y) {
  MatrixProduct<T> p;
  p.M = s.M, p.N = s.out, p.K = s.in;
  p.A = x.data<T>(), p.a_row_stride = s.in, p.a_k_stride = 1;
  p.B = weight.data<T>(), p.b_k_stride = 1, p.b_n_stride = s.in;
  p.C = y.data<T>(), p.c_row_stride = s.out;
  p.bias = bias.defined() ? bias.data<T>() : nullptr;
  p.precision = s.precision;
  multiply(p);
}

const GemmKernel<float>& row_for(DType weights) {
  return kernel(weights == DType::f16    ? gemm_half_f16_kernels()
                : weights == DType::bf16 ? gemm_half_bf16_kernels()
                                         : gemm_kernels<float>());
}

// What a layer brings along, as a step takes it.
struct PackedLayer {
  int64_t K, N;
  Address weight;
  std::optional<Operand> bias;

  const float* bias_in(const StepRun& run) const { return bias ? run.at(bias->address) : nullptr; }
};

PackedLayer pack(Lowering& l, const GemmKernel<float>& row) {
  const Tensor weight = contiguous(l.constant(1));
  const int64_t N = weight.size(0), K = weight.size(1);
  const Tensor panels = Tensor::empty({row.packed_size(K, N)});
  row.pack_b(weight.data<float>(), 1, K, K, N, panels.data<float>());
  const Address packed = l.keep(panels);
  return {K, N, packed, l.has(2) ? std::optional(l.contiguous_in(2)) : std::nullopt};
}

// A layer, GELU and another layer as one step, if this node is the first of them and the best
// product in bf16 has such a step beside it.
bool lower_mlp(Lowering& up) {
  if (up.weights() != DType::bf16) return false;
  const auto& product = row_for(DType::bf16);
  const auto& best = kernel(mlp_bf16_kernels());
  const std::optional<Lowering> gelu = up.then("gelu");
  if (best.isa != product.isa || !gelu || std::strcmp(gelu->text("form"), "erf") != 0) return false;
  std::optional<Lowering> down = gelu->then(linear_op.name);
  if (!down || !down->is_constant(1)) return false;
  const Operand x = up.even_rows_in(0);
  const PackedLayer first = pack(up, product), second = pack(*down, product);
  const std::optional<Operand> sum = down->absorb_addition();
  const Operand y = sum ? *sum : down->out();
  const auto run_rows = [=, &best, accumulate = sum.has_value()](const StepRun& run) {
    const int64_t M = x.rows(run.batch), stride = x.row_stride();
    // Rows stand apart. Threads that share a step take two tiles of them at a time; one alone takes
    // them all, so that the weights pass over more rows.
    constexpr int64_t piece = 32;
    const int64_t pieces = run.shared() ? std::max<int64_t>(1, (M + piece - 1) / piece) : 1;
    parallel_for(M, (M + pieces - 1) / pieces, [&](int64_t begin, int64_t end) {
      const Scratch scratch(run);
      MlpBf16 mlp;
      mlp.M = end - begin, mlp.K = first.K, mlp.H = first.N, mlp.N = second.N;
      mlp.x = run.at(x.address) + begin * stride, mlp.x_row_stride = stride;
      mlp.packed_up = run.at(first.weight), mlp.up_bias = first.bias_in(run);
      mlp.packed_down = run.at(second.weight), mlp.down_bias = second.bias_in(run);
      mlp.y = run.at(y.address) + begin * second.N, mlp.y_row_stride = second.N;
      mlp.accumulate = accumulate;
      mlp.scratch = scratch.data();
      best.run(mlp);
    });
  };
  down->step(best.isa, run_rows, mlp_bf16_scratch(first.K, first.N), DType::bf16);
  return true;
}

void lower(Lowering& l) {
  if (lower_mlp(l)) return;
  const Operand x = l.even_rows_in(0);
  const auto& best = row_for(l.weights());
  const PackedLayer layer = pack(l, best);
  const std::optional<Operand> sum = l.absorb_addition();
  const Operand y = sum ? *sum : l.out();
  const int64_t a_row_stride = x.row_stride();
  const auto multiply_rows = [=, &best, accumulate = sum.has_value()](const StepRun& run) {
    Gemm<float> g;
    g.M = x.rows(run.batch), g.N = layer.N, g.K = layer.K;
    g.A = run.at(x.address), g.a_row_stride = a_row_stride, g.a_k_stride = 1;
    g.packed_b = run.at(layer.weight);
    g.C = run.at(y.address), g.c_row_stride = layer.N;
    g.bias = layer.bias_in(run);
    g.accumulate = accumulate;
    multiply_packed(best, g);
  };
  l.step(best.isa, multiply_rows, 0, l.weights() == DType::bf16 ? DType::bf16 : DType::f32);
}

// dx = dy weight
template <class T>
void backward_x(const Sizes& s, const Tensor& dy, const Tensor& weight,
                const InputGradients::Destination& to) {
  MatrixProduct<T> p;
  p.M = s.M, p.N = s.in, p.K = s.out;
  p.A = dy.data<T>(), p.a_row_stride = s.out, p.a_k_stride = 1;
  p.B = weight.data<T>(), p.b_k_stride = s.in, p.b_n_stride = 1;
  p.C = to.tensor.data<T>(), p.c_row_stride = s.in;
  p.accumulate = to.accumulate;
  p.precision = s.precision;
  multiply(p);
}

// dweight = dy^T x
template <class T>
void backward_weight(const Sizes& s, const Tensor& dy, const Tensor& x,
                     const InputGradients::Destination& to) {
  MatrixProduct<T> p;
  p.M = s.out, p.N = s.in, p.K = s.M;
  p.A = dy.data<T>(), p.a_row_stride = 1, p.a_k_stride = s.out;
  p.B = x.data<T>(), p.b_k_stride = s.in, p.b_n_stride = 1;
  p.C = to.tensor.data<T>(), p.c_row_stride = s.in;
  p.accumulate = to.accumulate;
  p.precision = s.precision;
  multiply(p);
}

// dbias = the sum of dy over tokens: blocks of tokens first, then the blocks in order.
template <class T>
void backward_bias(const Sizes& s, const Tensor& dy, const InputGradients::Destination& to) {
  if (on_cuda()) return add_rows(dy.data<T>(), s.M, s.out, to.tensor.data<T>(), to.accumulate);
  constexpr int64_t block = 128;
  const int64_t blocks = (s.M + block - 1) / block;
  const Tensor partial = Tensor::empty({blocks, s.out}, dy.dtype());
  const auto& columns = kernel(reduce_columns_kernels<T>());
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      columns.run(ReduceOp::sum, dy.data<T>() + i * block * s.out, partial.data<T>() + i * s.out,
                  std::min(block, s.M - i * block), s.out, s.out);
  });
  add_rows(partial.data<T>(), blocks, s.out, to.tensor.data<T>(), to.accumulate);
}

struct Saved {
  Sizes sizes;
  Tensor x, weight;
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  const Sizes& sizes = saved.sizes;
  const Tensor dy = contiguous(gradient);
  visit_floating_point(dy.dtype(), [&]<class T>() {
    if (inputs.wants(0)) backward_x<T>(sizes, dy, saved.weight, inputs.destination(0));
    if (inputs.wants(1)) backward_weight<T>(sizes, dy, saved.x, inputs.destination(1));
    if (inputs.wants(2)) backward_bias<T>(sizes, dy, inputs.destination(2));
  });
}

void check_arguments(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_floating_point(linear_op.name, "x", x);
  check_min_rank(linear_op.name, "x", x, 1);
  check_same_dtype(linear_op.name, "weight", weight, x);
  if (weight.rank() != 2 || weight.shape()[1] != x.shape().back())
    argument_error(linear_op.name, "weight", weight.describe(),
                   "[out, " + std::to_string(x.shape().back()) + "] for x " + x.describe(),
                   "weight is [out, in] and the last dimension of x is in");
  if (!bias.defined()) return;
  check_same_dtype(linear_op.name, "bias", bias, x);
  check_shape(linear_op.name, "bias", bias, {weight.shape()[0]});
}

// Of x [..., in], weight [out, in] and y [..., out].
void tie_axes(NodeAxes& n) {
  constexpr int y = NodeAxes::out;
  for (int dim = 0; dim + 1 < n.rank(0); ++dim) n.tie({0, dim}, {y, dim});
  n.tie({0, -1}, {1, 1});
  n.tie({y, -1}, {1, 0});
  if (n.has(2)) n.tie({2, 0}, {1, 0});
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_arguments(x, weight, bias);
  const OpScope scope(linear_op.name, x);
  const Tensor in = contiguous(x.detach()), w = contiguous(weight.detach());
  const Tensor b = bias.defined() ? contiguous(bias.detach()) : bias;
  return record(linear_op, {}, {x, weight, bias}, linear_forward(in, w, b),
                Saved{Sizes(in, w), in, w});
}

Tensor linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Sizes sizes(x, weight);
  Shape shape = x.shape();
  shape[shape.rank() - 1] = sizes.out;
  const Tensor y = Tensor::empty(shape, x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() { forward<T>(sizes, x, weight, bias, y); });
  return y;
}

void linear_derivatives(Derivatives& all) { all.add<derivative>(linear_op); }

void linear_onnx_forms(OnnxForms& all) { all.add(linear_op, onnx); }

void linear_axis_rules(AxisRules& all) { all.add(linear_op, tie_axes); }

}  // namespace espalier
