#include "engine/ops/linear_wq.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/cuda/build.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/gemm.h"
#include "engine/lowering.h"
#include "engine/ops/linear.h"
#include "engine/ops/linear_forms.h"
#include "engine/ops/view.h"
#include "engine/panels.h"
#include "engine/replay.h"
#include "kernels/linear_wq/linear_wq_scalar.h"

namespace espalier {
namespace {

// Half of a first-level cache of 32 KiB.
constexpr int64_t slice_floats = 4096;

const uint8_t* code_bytes(const CodedWeight& w) {
  return reinterpret_cast<const uint8_t*>(w.codes.bytes());
}
// Of W[n, k].
int code_at(const CodedWeight& w, int64_t n, int64_t k) {
  return linear_wq_code(w.bits(), code_bytes(w) + n * w.codes.size(1), k);
}

// W.
Tensor widened(const CodedWeight& w, int64_t K) {
  const int64_t N = w.codes.size(0), groups = linear_wq_groups(K, w.group);
  const Tensor wide = Tensor::empty({N, K});
  float* to = wide.data<float>();
  for (int64_t i = 0; i < N * groups; ++i) {
    const float scale = w.scales.data<float>()[i];
    const int64_t n = i / groups, first = i % groups * w.group;
    for (int64_t k = first; k < K && k - first < w.group; ++k)
      *to++ = static_cast<float>(code_at(w, n, k)) * scale;
  }
  return wide;
}

// Tensor::zeros(), which serves any dtype, would weigh more in a predictor than all that is here.
Tensor zeros(int64_t count, DType dtype) {
  const Tensor out = Tensor::empty({count}, dtype);
  std::memset(out.bytes(), 0, static_cast<size_t>(count) * dtype_size(dtype));
  return out;
}

// The codes in panels for `product`, as `widen` takes them, each with its scales: their sizes.
struct CodedPanels {
  const GemmKernel<float>* product;
  LinearWqWiden* widen;
  int bits;
  int64_t N, K, group;

  CodedPanels(const CodedWeight& w, int64_t K)
      : product(&kernel(gemm_kernels<float>())),
        widen(kernel(linear_wq_kernels()).run),
        bits(w.bits()),
        N(w.codes.size(0)),
        K(K),
        group(w.group) {}

  int64_t panel() const { return product->panel; }
  int64_t count() const { return gemm_panel_count(product->panel, N); }
  int64_t in_byte() const { return 8 / bits; }
  int64_t panel_codes() const { return (K + in_byte() - 1) / in_byte() * panel(); }
  int64_t panel_scales() const { return linear_wq_groups(K, group) * panel(); }

  Tensor pack_codes(const CodedWeight& w) const {
    const Tensor packed = zeros(count() * panel_codes(), DType::u8);
    const int middle = linear_wq_middle(bits);
    for (int64_t n = 0; n < N; ++n) {
      uint8_t* to = packed.data<uint8_t>() + n / panel() * panel_codes() + n % panel();
      for (int64_t k = 0; k < K; ++k)
        to[k / in_byte() * panel()] |=
            static_cast<uint8_t>((code_at(w, n, k) + middle) << (k % in_byte() * bits));
    }
    return packed;
  }
  // Zero past the last column.
  Tensor pack_scales(const Tensor& scales) const {
    const int64_t groups = linear_wq_groups(K, group);
    const Tensor packed = zeros(count() * panel_scales(), DType::f32);
    for (int64_t i = 0; i < N * groups; ++i) {
      const int64_t n = i / groups, to = n / panel() * panel_scales() + n % panel();
      packed.data<float>()[to + i % groups * panel()] = scales.data<float>()[i];
    }
    return packed;
  }
};

// One step of a plan. Plain numbers, so that a predictor carries no code to copy it.
struct CodedStep {
  CodedPanels panels;
  BatchDim rows;
  int64_t x_stride;
  Address x, y, codes, scales, bias;
  bool has_bias, accumulate;

  void operator()(const StepRun& run) const {
    const int64_t M = rows.at(run.batch);
    parallel_panels(panels.count(), M * panels.N * panels.K, [&](int64_t first, int64_t last) {
      const Scratch scratch(run);
      for (int64_t p = first; p < last; ++p) multiply_panel(run, M, p, scratch.data());
    });
  }

 private:
  // Each slice of k is widened, then multiplied with.
  void multiply_panel(const StepRun& run, int64_t M, int64_t p, float* wide) const {
    const int64_t width = panels.panel(), slice = slice_floats / width, n = p * width;
    Gemm<float> g;
    g.M = M, g.N = std::min(width, panels.N - n);
    g.A = run.at(x), g.a_row_stride = x_stride, g.a_k_stride = 1;
    g.packed_b = wide;
    g.C = run.at(y) + n, g.c_row_stride = panels.N;
    g.bias = has_bias ? run.at(bias) + n : nullptr;
    g.accumulate = accumulate;
    int64_t k = 0;
    do {
      g.K = std::min(slice, panels.K - k);
      widen(run, p, k, k + g.K, wide);
      panels.product->run(g);
      g.A += g.K, k += g.K;
      g.bias = nullptr, g.accumulate = true;
    } while (k < panels.K);
  }

  void widen(const StepRun& run, int64_t p, int64_t k, int64_t end, float* to) const {
    const int64_t width = panels.panel();
    for (int64_t next; k < end; k = next) {
      const int64_t group = k / panels.group;
      next = std::min(end, (group + 1) * panels.group);
      panels.widen(panels.bits,
                   run.at<uint8_t>(codes) + p * panels.panel_codes() + k / panels.in_byte() * width,
                   run.at(scales) + p * panels.panel_scales() + group * width, next - k, width, to);
      to += (next - k) * width;
    }
  }
};

CodedWeight weight_of(const NodeCall& c) { return {c.in(1), c.in(2), c.integer("group")}; }

Tensor replay_call(const NodeCall& c) { return linear_wq(c.in(0), weight_of(c), c.in(3)); }

void lower(Lowering& l) {
  const Operand x = l.even_rows_in(0);
  const CodedWeight weight{contiguous(l.constant(1)), contiguous(l.constant(2)),
                           l.integer("group")};
  const CodedPanels panels(weight, x.back());
  const BatchDim rows{x.rows(1) - x.rows(0), x.rows(0)};
  const Address codes = l.keep(panels.pack_codes(weight));
  const Address scales = l.keep(panels.pack_scales(weight.scales));
  const bool has_bias = l.has(3);
  const Address bias = has_bias ? l.contiguous_in(3).address : Address();
  const std::optional<Operand> sum = l.absorb_addition();
  const Address y = sum ? sum->address : l.out().address;
  l.step(panels.product->isa,
         CodedStep{panels, rows, x.row_stride(), x.address, y, codes, scales, bias, has_bias,
                   sum.has_value()},
         slice_floats);
}

// Other engines take W in f32.
void onnx(OnnxWriter& w) {
  const CodedWeight weight{w.constant(1), w.constant(2), w.integer("group")};
  const Tensor wide = widened(weight, w.fixed(w.in_shape(0).back()));
  const OnnxName x = w.in(0), by = w.in_place_of(1, contiguous(transpose(wide, 0, 1)));
  onnx_linear(w, x, by, 3);
}

// Inputs: x, codes, scales, bias.
constexpr Op linear_wq_op{.name = "linear_wq",
                          .flops = linear_flops,
                          .row_inputs = 1,
                          .lower = lower,
                          .replay = replay_call};

template <class = void>
cuda::LinearWqRun<float>& gpu_kernel(Precision precision) {
  if (precision == Precision::bf16) return cuda::linear_wq_run<BFloat16>;
  if (precision == Precision::f16) return cuda::linear_wq_run<Float16>;
  return cuda::linear_wq_run<float>;
}

template <class = void>
Tensor multiply_on_gpu(const Tensor& x, const CodedWeight& w, const Tensor& bias) {
  Shape shape = x.shape();
  const int64_t K = shape.back(), N = w.codes.size(0);
  shape[shape.rank() - 1] = N;
  const Tensor y = Tensor::empty(shape);
  cuda::LinearWq layer;
  layer.bits = w.bits(), layer.group = w.group;
  layer.M = N ? y.numel() / N : 0, layer.N = N, layer.K = K;
  layer.x = x.data<float>();
  layer.codes = code_bytes(w);
  layer.scales = w.scales.data<float>();
  layer.bias = bias.defined() ? bias.data<float>() : nullptr;
  layer.y = y.data<float>();
  gpu_kernel(product_precision(linear_wq_op.name, x))(layer);
  return y;
}

// Of contiguous operands.
Tensor multiply(const Tensor& x, const CodedWeight& w, const Tensor& bias) {
  if constexpr (built_with_cuda)
    if (on_cuda()) return multiply_on_gpu(x, w, bias);
  return linear_forward(x, widened(w, x.shape().back()), bias);
}

// A look at those on a GPU would wait for it.
void check_scales(const char* op, const Tensor& all) {
  if (all.device().on_gpu()) return;
  const Tensor scales = contiguous(all);
  for (int64_t i = 0; i < scales.numel(); ++i)
    if (const float s = scales.data<float>()[i]; !(s > 0) || !std::isfinite(s))
      argument_error(op, "scales", std::to_string(s), "finite, positive numbers", "");
}

}  // namespace

void check_coded_layer(const char* op, const Tensor& x, const CodedWeight& w, const Tensor& bias) {
  check_dtype(op, "x", x, DType::f32);
  check_min_rank(op, "x", x, 1);
  const int64_t K = x.shape().back();
  check_min_rank(op, "codes", w.codes, 2);
  if (w.codes.dtype() != DType::s8) check_dtype(op, "codes", w.codes, DType::u8);
  const int64_t N = w.codes.size(0);
  check_shape(op, "codes", w.codes, {N, w.bits() == 8 ? K : (K + 1) / 2});
  if (w.group < 1 || (w.bits() == 4 && w.group % 2 != 0 && w.group < K))
    argument_error(op, "group", std::to_string(w.group), "a positive, for 4 bits an even number",
                   "");
  check_dtype(op, "scales", w.scales, DType::f32);
  check_shape(op, "scales", w.scales, {N, linear_wq_groups(K, w.group)});
  check_scales(op, w.scales);
  if (!bias.defined()) return;
  check_dtype(op, "bias", bias, DType::f32);
  check_shape(op, "bias", bias, {N});
}

Tensor linear_wq(const Tensor& x, const CodedWeight& weight, const Tensor& bias) {
  check_coded_layer(linear_wq_op.name, x, weight, bias);
  const OpScope scope(linear_wq_op.name, x);
  const NoGradGuard off;
  const Tensor y =
      multiply(contiguous(x), {contiguous(weight.codes), contiguous(weight.scales), weight.group},
               bias.defined() ? contiguous(bias) : bias);
  return record(linear_wq_op, {{"group", weight.group}}, {x, weight.codes, weight.scales, bias}, y,
                nullptr);
}

void linear_wq_derivatives(Derivatives&) {}

void linear_wq_onnx_forms(OnnxForms& all) { all.add(linear_wq_op, onnx); }

void linear_wq_axis_rules(AxisRules&) {}

}  // namespace espalier
