#include "engine/ops/fake_quantize.h"

#include <cmath>
#include <string>

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/launch_graph.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "kernels/fake_quantize/fake_quantize.h"
#include "kernels/quantize/quantize.h"

namespace espalier {
namespace {

// A product, two comparisons, a rounding and a product.
int64_t fake_quantize_flops(Shapes inputs, const Shape&) { return 5 * inputs[0].numel(); }

constexpr Op fake_quantize_op{.name = "fake_quantize", .flops = fake_quantize_flops};

// x as `rows` of `width` values, of which row r has the scale r % scales.
struct Rows {
  int64_t rows, width, scales;
};

Rows rows_of(const Tensor& x, const Tensor& scale, int axis) {
  int64_t width = x.size(axis) / scale.numel();
  for (int d = axis + 1; d < x.rank(); ++d) width *= x.size(d);
  return {width ? x.numel() / width : 0, width, scale.numel()};
}

// The ends of the codes less their zero point.
struct Limits {
  int64_t low, high;
};

// Of rows from `first` on.
template <class T>
CodeSteps<T> steps_of(const Rows& r, const T* scale, const Limits& limits, int64_t first) {
  return {scale, r.scales, static_cast<T>(limits.low), static_cast<T>(limits.high), first};
}

// In f32 on the processor, which has SIMD rows for one scale at a time.
template <class From>
void dequantize_rows(const Rows& r, const From* codes, const float* scale, int zero_point,
                     float* y) {
  const auto& best = kernel(dequantize_kernels<From>());
  parallel_for(r.rows, grain_for(r.width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      best.run(codes + i * r.width, y + i * r.width, r.width, scale[i % r.scales], zero_point);
  });
}

template <class T, class From>
void values_of_codes(const Rows& r, const From* codes, const T* scale, int zero_point, T* y) {
  if constexpr (std::is_same_v<T, float>)
    if (!on_cuda()) return dequantize_rows(r, codes, scale, zero_point, y);
  const auto& best = kernel(fake_quantize_codes_kernels<T, From>());
  parallel_for(r.rows, grain_for(r.width), [&](int64_t begin, int64_t end) {
    best.run(codes + begin * r.width, y + begin * r.width, end - begin, r.width, zero_point,
             steps_of(r, scale, {}, begin));
  });
}

template <class T>
void forward(const Rows& r, const T* x, const T* scale, const Limits& limits, T* y) {
  const auto& best = kernel(fake_quantize_forward_kernels<T>());
  parallel_for(r.rows, grain_for(r.width), [&](int64_t begin, int64_t end) {
    best.run(x + begin * r.width, y + begin * r.width, end - begin, r.width,
             steps_of(r, scale, limits, begin));
  });
}

struct Saved {
  Rows rows;
  Limits limits;
  double scale_gradient;
  Tensor x, scale, y;
};

// dx, and for each row what it gives to its scale.
template <class T>
void backward_rows(const Saved& s, const T* dy, T* dx, T* shares) {
  const auto& best = kernel(fake_quantize_backward_kernels<T>());
  const int64_t width = s.rows.width;
  parallel_for(s.rows.rows, grain_for(2 * width), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * width;
    best.run(s.x.data<T>() + first, s.y.data<T>() + first, dy + first, dx + first, shares + begin,
             end - begin, width, steps_of(s.rows, s.scale.data<T>(), s.limits, begin));
  });
}

// From what every row gives, on the processor.
Tensor scale_gradients(const Saved& saved, const Tensor& shares) {
  const DeviceScope cpu(Device::cpu());
  const Tensor dscale = Tensor::zeros(saved.scale.shape(), shares.dtype());
  visit_floating_point(shares.dtype(), [&]<class T>() {
    for (int64_t s = 0; s < saved.rows.scales; ++s) {
      double sum = 0;  // thousands of rows, one after the other: in double, whatever T is
      for (int64_t i = s; i < saved.rows.rows; i += saved.rows.scales)
        sum += static_cast<double>(shares.data<T>()[i]);
      dscale.data<T>()[s] = static_cast<T>(sum * saved.scale_gradient);
    }
  });
  return dscale;
}

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  const Tensor dy = contiguous(gradient);
  const Tensor dx = Tensor::empty(dy.shape(), dy.dtype());
  const Tensor shares = Tensor::empty({saved.rows.rows}, dy.dtype());
  visit_floating_point(dy.dtype(), [&]<class T>() {
    backward_rows(saved, dy.data<T>(), dx.data<T>(), shares.data<T>());
  });
  if (inputs.wants(0)) inputs.add(0, dx);
  if (inputs.wants(1))
    inputs.add(1, scale_gradients(saved, shares.to(Device::cpu())).to(dy.device()));
}

template <class T>
void check_scale(T scale) {
  if (scale > 0 && std::isfinite(scale) && std::isfinite(1 / scale)) return;
  argument_error(fake_quantize_op.name, "scale", std::to_string(scale), "a positive number",
                 "where it is learned, a lower learning rate may help");
}

// Not while launches are recorded: nobody can look at a GPU's scales then.
void check_scales(const Tensor& scale) {
  if (records_launches()) return;
  const Tensor scales = contiguous(scale.detach().to(Device::cpu()));
  const DeviceScope cpu(Device::cpu());
  visit_floating_point(scale.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < scales.numel(); ++i) check_scale(scales.data<T>()[i]);
  });
}

// Returns the axis counted from the front.
int check_arguments(const Tensor& x, const Tensor& scale, const FakeQuantize& how) {
  const char* name = fake_quantize_op.name;
  check_floating_point(name, "x", x);
  check_min_rank(name, "x", x, 1);
  check_same_dtype(name, "scale", scale, x);
  const int axis = normalize_dim(name, how.axis, x.rank());
  if (scale.rank() != 1 || scale.numel() == 0 || x.size(axis) % scale.numel() != 0)
    argument_error(name, "scale", scale.describe(),
                   "[S] where S divides the " + std::to_string(x.size(axis)) + " of dimension " +
                       std::to_string(axis),
                   "");
  check_scales(scale);
  constexpr int64_t most = 1 << 20;
  if (how.low > how.zero_point || how.zero_point > how.high || how.low < -most || how.high > most)
    argument_error(name, "zero_point", std::to_string(how.zero_point),
                   "within the codes " + std::to_string(how.low) + " to " +
                       std::to_string(how.high) + ", themselves within 2^20",
                   "");
  if (how.codes.defined()) {
    if (how.codes.dtype() != DType::s16) check_dtype(name, "codes", how.codes, DType::s8);
    check_shape(name, "codes", how.codes, x.shape());
  }
  return axis;
}

}  // namespace

Tensor fake_quantize(const Tensor& x, const Tensor& scale, const FakeQuantize& how) {
  const int axis = check_arguments(x, scale, how);
  const OpScope scope(fake_quantize_op.name, x);
  const Tensor in = contiguous(x.detach()), s = contiguous(scale.detach());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  const Rows rows = rows_of(in, s, axis);
  const Limits limits{how.low - how.zero_point, how.high - how.zero_point};
  const auto zero_point = static_cast<int>(how.zero_point);
  visit_floating_point(x.dtype(), [&]<class T>() {
    if (!how.codes.defined()) return forward(rows, in.data<T>(), s.data<T>(), limits, y.data<T>());
    const Tensor codes = contiguous(how.codes);
    if (codes.dtype() == DType::s8)
      values_of_codes(rows, codes.data<int8_t>(), s.data<T>(), zero_point, y.data<T>());
    else
      values_of_codes(rows, codes.data<int16_t>(), s.data<T>(), zero_point, y.data<T>());
  });
  return record(fake_quantize_op, {}, {x, scale}, y,
                Saved{rows, limits, how.scale_gradient, in, s, y.detach()});
}

void fake_quantize_derivatives(Derivatives& all) { all.add<derivative>(fake_quantize_op); }
void fake_quantize_onnx_forms(OnnxForms&) {}
void fake_quantize_axis_rules(AxisRules&) {}

}  // namespace espalier
