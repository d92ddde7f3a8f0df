#include "engine/ops/linear_dynamic.h"

#include <algorithm>
#include <limits>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/cuda/build.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/lowering.h"
#include "engine/ops/layer_s8.h"
#include "engine/ops/linear_forms.h"
#include "engine/ops/linear_wq.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/linear_dynamic/linear_dynamic_scalar.h"
#include "kernels/quantize/quantize.h"
#include "kernels/reduce/reduce.h"

namespace espalier {
namespace {

// Rows that are rounded together: their sums stay in cache, and tiles of any height divide them.
constexpr int64_t most_rows = 48;

// Multiplies rows of K values with N packed channels. Plain numbers and functions, as a step of a
// plan copies them.
struct DynamicKernels {
  const GemmS8Kernel* product;
  LinearDynamicPut* put;
  Quantize<int8_t>* quantize;
  Reduce<float>* reduce;
  int64_t N, K;

  DynamicKernels(int64_t N, int64_t K)
      : product(&kernel(gemm_s8_kernels())),
        put(kernel(linear_dynamic_kernels()).run),
        quantize(kernel(quantize_kernels<int8_t>()).run),
        reduce(kernel(reduce_rows_kernels<float>()).run),
        N(N),
        K(K) {}

  int64_t sums_stride() const { return (N + 15) / 16 * 16; }
  // In floats: sums, a scale and codes of each row.
  int64_t scratch() const { return most_rows * (sums_stride() + 1 + (K + 3) / 4); }
};

struct DynamicProduct {
  const DynamicKernels& by;
  const float* x;
  int64_t x_stride;
  const std::byte* packed;
  const float *channel, *bias;
  bool accumulate;
  float* y;

  void run(int64_t first, int64_t last, float* scratch) const {
    for (; first < last; first += most_rows)
      run_rows(first, std::min(last, first + most_rows), scratch);
  }

 private:
  void run_rows(int64_t first, int64_t last, float* scratch) const {
    auto* sums = reinterpret_cast<int32_t*>(scratch);
    float* scales = scratch + most_rows * by.sums_stride();
    auto* codes = reinterpret_cast<int8_t*>(scales + most_rows);
    for (int64_t m = first; m < last; ++m)
      scales[m - first] = round_row(x + m * x_stride, codes + (m - first) * by.K);
    GemmS8 g;
    g.M = last - first, g.N = by.N, g.K = by.K;
    g.A = codes, g.a_row_stride = by.K;
    g.packed_b = packed;
    g.C = sums, g.c_row_stride = by.sums_stride();
    by.product->run(g);
    for (int64_t m = first; m < last; ++m)
      by.put(sums + (m - first) * by.sums_stride(), channel, scales[m - first], bias, accumulate,
             by.N, y + m * by.N);
  }

  // The row's codes, and its scale.
  float round_row(const float* row, int8_t* codes) const {
    float low = 0, high = 0;
    if (by.K) by.reduce(ReduceOp::minimum, row, &low, 1, by.K, by.K);
    if (by.K) by.reduce(ReduceOp::maximum, row, &high, 1, by.K, by.K);
    const LinearDynamicRow rounding(std::max(-low, high));
    by.quantize(row, codes, by.K, rounding.inverse, 0);
    return rounding.scale;
  }
};

// One step of a plan.
struct DynamicStep {
  DynamicKernels by;
  BatchDim rows;
  int64_t x_stride;
  Address x, y, packed, scales, bias;
  bool has_bias, accumulate;

  void operator()(const StepRun& run) const {
    const DynamicProduct product{by,
                                 run.at(x),
                                 x_stride,
                                 run.at<std::byte>(packed),
                                 run.at(scales),
                                 has_bias ? run.at(bias) : nullptr,
                                 accumulate,
                                 run.at(y)};
    const int64_t M = std::max<int64_t>(1, rows.at(run.batch));
    const int64_t pieces = (M + most_rows - 1) / most_rows;
    parallel_for(rows.at(run.batch), (M + pieces - 1) / pieces, [&](int64_t first, int64_t last) {
      const Scratch scratch(run);
      product.run(first, last, scratch.data());
    });
  }
};

void lower(Lowering& l) {
  const Operand x = l.even_rows_in(0);
  const Tensor codes = contiguous(l.constant(1));
  const DynamicKernels by(codes.size(0), codes.size(1));
  const BatchDim rows{x.rows(1) - x.rows(0), x.rows(0)};
  const Address packed = l.keep(packed_weight_s8(*by.product, codes));
  const Address scales = l.contiguous_in(2).address;
  const bool has_bias = l.has(3);
  const Address bias = has_bias ? l.contiguous_in(3).address : Address();
  const std::optional<Operand> sum = l.absorb_addition();
  const Address y = sum ? sum->address : l.out().address;
  l.step(by.product->isa,
         DynamicStep{by, rows, x.row_stride(), x.address, y, packed, scales, bias, has_bias,
                     sum.has_value()},
         by.scratch(), DType::s8);
}

Tensor replay_call(const NodeCall& c) { return linear_dynamic(c.in(0), c.in(1), c.in(2), c.in(3)); }

// ONNX rounds whole tensors as they come, not their rows.
void onnx(OnnxWriter& w) {
  argument_error("export", w.node().op->name, "rows that are rounded as they come",
                 "a model that ONNX can say", "export the fp32 model, or one in w8 or int8");
}

// Inputs: x, codes, scales, bias.
constexpr Op linear_dynamic_op{.name = "linear_dynamic",
                               .flops = linear_flops,
                               .row_inputs = 1,
                               .lower = lower,
                               .replay = replay_call};

// Contiguous operands that were checked.
struct Operands {
  int64_t M, N, K;
  Tensor x, codes, scales, bias;

  const float* bias_values() const { return bias.defined() ? bias.data<float>() : nullptr; }
};

template <class = void>
void multiply_on_gpu(const Operands& in, const Tensor& y) {
  const Tensor packed = packed_weight_s8(kernel(gemm_s8_kernels()), in.codes);
  const Tensor codes = Tensor::empty({in.M, cuda::linear_dynamic_row(in.K)}, DType::s8);
  const Tensor scales = Tensor::empty({in.M});
  cuda::LinearDynamic layer{in.M, in.N, in.K};
  layer.x = in.x.data<float>();
  layer.packed_b = packed.bytes();
  layer.channel = in.scales.data<float>();
  layer.bias = in.bias_values();
  layer.codes = codes.data<int8_t>(), layer.scales = scales.data<float>();
  layer.y = y.data<float>();
  cuda::linear_dynamic_run(layer);
}

void multiply(const Operands& in, const Tensor& y) {
  if constexpr (built_with_cuda)
    if (on_cuda()) return multiply_on_gpu(in, y);
  const DynamicKernels by(in.N, in.K);
  const Tensor packed = packed_weight_s8(*by.product, in.codes);
  const DynamicProduct product{
      by,    in.x.data<float>(), in.K, packed.bytes(), in.scales.data<float>(), in.bias_values(),
      false, y.data<float>()};
  parallel_for(in.M, most_rows, [&](int64_t first, int64_t last) {
    const Tensor scratch = Tensor::empty({by.scratch()});
    product.run(first, last, scratch.data<float>());
  });
}

}  // namespace

Tensor linear_dynamic(const Tensor& x, const Tensor& codes, const Tensor& scales,
                      const Tensor& bias) {
  const char* op = linear_dynamic_op.name;
  check_dtype(op, "codes", codes, DType::s8);
  check_coded_layer(op, x, {codes, scales, std::numeric_limits<int64_t>::max()}, bias);
  const int64_t K = x.shape().back(), N = codes.size(0);
  if (K > gemm_s8_longest_k)
    argument_error(op, "codes", codes.describe(),
                   "at most " + std::to_string(gemm_s8_longest_k) + " values a channel",
                   "longer sums leave 32 bits");
  const OpScope scope(op, x);
  const NoGradGuard off;
  Shape shape = x.shape();
  shape[shape.rank() - 1] = 1;
  const int64_t M = shape.numel();
  shape[shape.rank() - 1] = N;
  const Tensor y = Tensor::empty(shape);
  multiply({M, N, K, contiguous(x), contiguous(codes), contiguous(scales),
            bias.defined() ? contiguous(bias) : bias},
           y);
  return record(linear_dynamic_op, {}, {x, codes, scales, bias}, y, nullptr);
}

void linear_dynamic_derivatives(Derivatives&) {}

void linear_dynamic_onnx_forms(OnnxForms& all) { all.add(linear_dynamic_op, onnx); }

void linear_dynamic_axis_rules(AxisRules&) {}

}  // namespace espalier
