#include "engine/ops/quantize.h"

#include <cmath>
#include <limits>
#include <string>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/quantize/quantize.h"

namespace espalier {
namespace {

constexpr const char* dequantize_name = "dequantize";

// A product, a rounding and a sum; a difference and a product.
int64_t quantize_flops(Shapes inputs, const Shape&) { return 3 * inputs[0].numel(); }
int64_t dequantize_flops(Shapes inputs, const Shape&) { return 2 * inputs[0].numel(); }

// Calls f.operator()<T>() with int8_t or int16_t.
template <class F>
void visit_integer(DType dtype, F f) {
  if (dtype == DType::s8)
    f.template operator()<int8_t>();
  else
    f.template operator()<int16_t>();
}

template <class T>
void quantize_values(const KernelRow<Quantize<T>>& row, const float* x, T* y, int64_t count,
                     const Affine& a) {
  const auto inverse = static_cast<float>(1 / a.scale);
  parallel_for(count, grain_for(1), [&](int64_t begin, int64_t end) {
    row.run(x + begin, y + begin, end - begin, inverse, static_cast<int>(a.zero_point));
  });
}

template <class T>
void dequantize_values(const KernelRow<Dequantize<T>>& row, const T* x, float* y, int64_t count,
                       const Affine& a) {
  const auto scale = static_cast<float>(a.scale);
  parallel_for(count, grain_for(1), [&](int64_t begin, int64_t end) {
    row.run(x + begin, y + begin, end - begin, scale, static_cast<int>(a.zero_point));
  });
}

void lower_quantize(Lowering& l) {
  const Operand x = l.contiguous_in(0), y = l.out();
  const Affine a{l.real("scale"), l.integer("zero_point")};
  visit_integer(y.dtype, [&]<class T>() {
    const auto& best = kernel(quantize_kernels<T>());
    l.step(best.isa, [=, &best](const StepRun& run) {
      quantize_values<T>(best, run.at(x.address), run.at<T>(y.address), x.numel(run.batch), a);
    });
  });
}

void lower_dequantize(Lowering& l) {
  const Operand x = l.contiguous_in(0), y = l.out();
  const Affine a{l.real("scale"), l.integer("zero_point")};
  visit_integer(x.dtype, [&]<class T>() {
    const auto& best = kernel(dequantize_kernels<T>());
    l.step(best.isa, [=, &best](const StepRun& run) {
      dequantize_values<T>(best, run.at<T>(x.address), run.at(y.address), x.numel(run.batch), a);
    });
  });
}

Tensor replay_quantize(const NodeCall& c) {
  const DType dtype =
      std::string(c.text("dtype")) == dtype_name(DType::s8) ? DType::s8 : DType::s16;
  return quantize(c.in(0), c.real("scale"), c.integer("zero_point"), dtype);
}
Tensor replay_dequantize(const NodeCall& c) {
  return dequantize(c.in(0), c.real("scale"), c.integer("zero_point"));
}

OnnxCodes codes_of(const OnnxWriter& w) { return {{w.real("scale")}, w.integer("zero_point")}; }

void onnx_quantize(OnnxWriter& w) {
  w.out_same(0);
  w.out_codes(codes_of(w));
}

void onnx_dequantize(OnnxWriter& w) {
  const OnnxCodes own = codes_of(w), &found = w.codes(0);
  if (found.scales != own.scales || found.zero_point != own.zero_point)
    argument_error("export", dequantize_name, "of another scale than the codes have", "theirs", "");
  w.out_same(w.in_codes(0));
}

constexpr Op quantize_op{.name = "quantize",
                         .flops = quantize_flops,
                         .row_inputs = 1,
                         .lower = lower_quantize,
                         .replay = replay_quantize};
constexpr Op dequantize_op{.name = dequantize_name,
                           .flops = dequantize_flops,
                           .row_inputs = 1,
                           .lower = lower_dequantize,
                           .replay = replay_dequantize};

void check_affine(const char* op, const Affine& a, DType dtype) {
  if (dtype != DType::s8 && dtype != DType::s16)
    argument_error(op, "dtype", dtype_name(dtype), "s8 or s16", "");
  const auto f32_scale = static_cast<float>(a.scale);
  if (!(f32_scale > 0) || !std::isfinite(1 / f32_scale) || !std::isfinite(f32_scale))
    argument_error(op, "scale", std::to_string(a.scale), "a positive number that f32 holds", "");
  const int64_t least =
      dtype == DType::s8 ? std::numeric_limits<int8_t>::min() : std::numeric_limits<int16_t>::min();
  if (a.zero_point < least || a.zero_point > -least - 1)
    argument_error(op, "zero_point", std::to_string(a.zero_point),
                   std::to_string(least) + " to " + std::to_string(-least - 1), "");
}

}  // namespace

Tensor quantize(const Tensor& x, double scale, int64_t zero_point, DType dtype) {
  check_dtype(quantize_op.name, "x", x, DType::f32);
  const Affine affine{scale, zero_point};
  check_affine(quantize_op.name, affine, dtype);
  const OpScope scope(quantize_op.name, x);
  const NoGradGuard off;
  const Tensor in = contiguous(x), y = Tensor::empty(x.shape(), dtype);
  visit_integer(dtype, [&]<class T>() {
    quantize_values<T>(kernel(quantize_kernels<T>()), in.data<float>(), y.data<T>(), x.numel(),
                       affine);
  });
  return record(quantize_op,
                {{"scale", scale}, {"zero_point", zero_point}, {"dtype", dtype_name(dtype)}}, {x},
                y, nullptr);
}

Tensor dequantize(const Tensor& x, double scale, int64_t zero_point) {
  check_defined(dequantize_op.name, "x", x);
  const Affine affine{scale, zero_point};
  check_affine(dequantize_op.name, affine, x.dtype());
  const OpScope scope(dequantize_op.name, x);
  const NoGradGuard off;
  const Tensor in = contiguous(x), y = Tensor::empty(x.shape());
  visit_integer(x.dtype(), [&]<class T>() {
    dequantize_values<T>(kernel(dequantize_kernels<T>()), in.data<T>(), y.data<float>(), x.numel(),
                         affine);
  });
  return record(dequantize_op, {{"scale", scale}, {"zero_point", zero_point}}, {x}, y, nullptr);
}

void quantize_derivatives(Derivatives&) {}

void quantize_onnx_forms(OnnxForms& all) {
  all.add(quantize_op, onnx_quantize);
  all.add(dequantize_op, onnx_dequantize);
}

void quantize_axis_rules(AxisRules&) {}

}  // namespace espalier
