#include "engine/ops/unary.h"

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/profiler.h"
#include "kernels/unary/unary.h"

namespace espalier {
namespace {

int64_t unary_flops(Shapes, const Shape& output) { return output.numel(); }

constexpr Op unary_ops[] = {{"neg", unary_flops},    {"abs", unary_flops},
                            {"square", unary_flops}, {"sqrt", unary_flops},
                            {"rsqrt", unary_flops},  {"reciprocal", unary_flops},
                            {"exp", unary_flops},    {"log", unary_flops},
                            {"tanh", unary_flops},   {"sigmoid", unary_flops}};

template <class T>
void forward(UnaryOp op, const Tensor& x, const Tensor& y) {
  const auto& best = kernel(unary_forward_kernels<T>());
  parallel_for(x.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(op, x.data<T>() + begin, y.data<T>() + begin, end - begin);
  });
}

template <class T>
void backward_values(UnaryOp op, const Tensor& saved, const Tensor& dy, const Tensor& dx) {
  const auto& best = kernel(unary_backward_kernels<T>());
  parallel_for(dx.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(op, saved.data<T>() + begin, dy.data<T>() + begin, dx.data<T>() + begin, end - begin);
  });
}

Tensor unary(UnaryOp op, const Tensor& x) {
  const Op& described = unary_ops[static_cast<size_t>(op)];
  check_floating_point(described.name, "x", x);
  const profiler::Scope scope(described.name);
  const Tensor in = contiguous(x.detach());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() { forward<T>(op, in, y); });
  // Backward keeps x or y, whichever the derivative is computed from.
  return record(described, {}, {x}, y,
                [op, saved = unary_keeps_output(op) ? y.detach() : in](const Tensor& gradient,
                                                                       InputGradients& inputs) {
                  const Tensor dy = contiguous(gradient);
                  const Tensor dx = Tensor::empty(dy.shape(), dy.dtype());
                  visit_floating_point(dy.dtype(),
                                       [&]<class T>() { backward_values<T>(op, saved, dy, dx); });
                  inputs.add(0, dx);
                });
}

}  // namespace

Tensor neg(const Tensor& x) { return unary(UnaryOp::neg, x); }
Tensor abs(const Tensor& x) { return unary(UnaryOp::abs, x); }
Tensor square(const Tensor& x) { return unary(UnaryOp::square, x); }
Tensor sqrt(const Tensor& x) { return unary(UnaryOp::sqrt, x); }
Tensor rsqrt(const Tensor& x) { return unary(UnaryOp::rsqrt, x); }
Tensor reciprocal(const Tensor& x) { return unary(UnaryOp::reciprocal, x); }
Tensor exp(const Tensor& x) { return unary(UnaryOp::exp, x); }
Tensor log(const Tensor& x) { return unary(UnaryOp::log, x); }
Tensor tanh(const Tensor& x) { return unary(UnaryOp::tanh, x); }
Tensor sigmoid(const Tensor& x) { return unary(UnaryOp::sigmoid, x); }

}  // namespace espalier
