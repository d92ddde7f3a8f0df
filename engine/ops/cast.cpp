#include "engine/ops/cast.h"

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/onnx_writer.h"
#include "engine/op.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "kernels/cast/cast.h"

namespace espalier {
namespace {

constexpr Op to_op{"to"};

// Calls f.operator()<T>() with the C++ type of `dtype`.
template <class F>
void visit_dtype(DType dtype, F f) {
  switch (dtype) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::f64:
      return f.template operator()<double>();
    case DType::f16:
      return f.template operator()<Float16>();
    case DType::bf16:
      return f.template operator()<BFloat16>();
    case DType::s8:
      return f.template operator()<int8_t>();
    case DType::u8:
      return f.template operator()<uint8_t>();
    case DType::s16:
      return f.template operator()<int16_t>();
    case DType::s32:
      return f.template operator()<int32_t>();
    case DType::s64:
      return f.template operator()<int64_t>();
    case DType::boolean:
      return f.template operator()<bool>();
  }
}

template <class From, class To>
void convert(const Tensor& x, const Tensor& y) {
  const auto& best = kernel(cast_kernels<From, To>());
  parallel_for(x.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(x.data<From>() + begin, y.data<To>() + begin, end - begin);
  });
}

struct Saved {
  DType x;
};

void derivative(const Saved& saved, const Tensor& dy, InputGradients& inputs) {
  inputs.add(0, to(dy, saved.x));
}

}  // namespace

Tensor to(const Tensor& x, DType dtype) {
  check_defined(to_op.name, "x", x);
  if (x.dtype() == dtype) return x;
  const OpScope scope(to_op.name, x);
  const Tensor in = contiguous(x.detach());
  const Tensor y = Tensor::empty(x.shape(), dtype);
  visit_dtype(x.dtype(), [&]<class From>() {
    visit_dtype(dtype, [&]<class To>() { convert<From, To>(in, y); });
  });
  const bool differentiable = is_floating_point(x.dtype()) && is_floating_point(dtype);
  const GradGuard tape(grad_enabled() && differentiable);
  return record(to_op, {{"dtype", dtype_name(dtype)}}, {x}, y, Saved{x.dtype()});
}

void cast_derivatives(Derivatives& all) { all.add<derivative>(to_op); }

void cast_onnx_forms(OnnxForms&) {}

void cast_axis_rules(AxisRules& all) { all.add(to_op, tie_elementwise); }

}  // namespace espalier
