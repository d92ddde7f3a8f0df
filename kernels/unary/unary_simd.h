// Functions of one variable on sixteen lanes. The operation is a template parameter of one body;
// the loop over blocks is instantiated for each, so that nothing is decided inside it.
#pragma once

#include "kernels/simd_math.h"
#include "kernels/unary/unary.h"

namespace espalier::ESPALIER_ISA {

template <UnaryOp op>
ESPALIER_INLINE f32x16 unary_value(const f32x16& x) {
  if constexpr (op == UnaryOp::neg) return -x;
  if constexpr (op == UnaryOp::abs) return abs(x);
  if constexpr (op == UnaryOp::square) return x * x;
  if constexpr (op == UnaryOp::sqrt) return sqrt(x);
  if constexpr (op == UnaryOp::rsqrt) return broadcast(1.0f) / sqrt(x);
  if constexpr (op == UnaryOp::reciprocal) return broadcast(1.0f) / x;
  if constexpr (op == UnaryOp::exp) return exp(x);
  if constexpr (op == UnaryOp::log) return log(x);
  if constexpr (op == UnaryOp::tanh) return tanh(x);
  if constexpr (op == UnaryOp::sigmoid) return sigmoid(x);
}

// f'(x) * dy, where `saved` is x or y.
template <UnaryOp op>
ESPALIER_INLINE f32x16 unary_derivative(const f32x16& saved, const f32x16& dy) {
  const f32x16 zero = broadcast(0.0f), one = broadcast(1.0f);
  if constexpr (op == UnaryOp::neg) return -dy;
  if constexpr (op == UnaryOp::abs)
    return select(saved > zero, dy, select(saved < zero, -dy, saved * dy));
  if constexpr (op == UnaryOp::square) return (saved + saved) * dy;
  if constexpr (op == UnaryOp::sqrt) return broadcast(0.5f) * dy / saved;
  if constexpr (op == UnaryOp::rsqrt) return broadcast(-0.5f) * dy * (saved * saved * saved);
  if constexpr (op == UnaryOp::reciprocal) return -dy * (saved * saved);
  if constexpr (op == UnaryOp::exp) return dy * saved;
  if constexpr (op == UnaryOp::log) return dy / saved;
  if constexpr (op == UnaryOp::tanh) return dy * (one - saved * saved);
  if constexpr (op == UnaryOp::sigmoid) return dy * (saved * (one - saved));
}

// Calls f.operator()<op>() for the run-time `op`.
template <class F>
ESPALIER_INLINE void visit_unary(UnaryOp op, F f) {
  switch (op) {
    case UnaryOp::neg:
      return f.template operator()<UnaryOp::neg>();
    case UnaryOp::abs:
      return f.template operator()<UnaryOp::abs>();
    case UnaryOp::square:
      return f.template operator()<UnaryOp::square>();
    case UnaryOp::sqrt:
      return f.template operator()<UnaryOp::sqrt>();
    case UnaryOp::rsqrt:
      return f.template operator()<UnaryOp::rsqrt>();
    case UnaryOp::reciprocal:
      return f.template operator()<UnaryOp::reciprocal>();
    case UnaryOp::exp:
      return f.template operator()<UnaryOp::exp>();
    case UnaryOp::log:
      return f.template operator()<UnaryOp::log>();
    case UnaryOp::tanh:
      return f.template operator()<UnaryOp::tanh>();
    case UnaryOp::sigmoid:
      return f.template operator()<UnaryOp::sigmoid>();
  }
}

void unary_forward(UnaryOp op, const float* x, float* y, int64_t count) noexcept {
  visit_unary(op, [&]<UnaryOp constant>() {
    blocks(count,
           [&](int64_t i, int n) { store(y + i, unary_value<constant>(load(x + i, n)), n); });
  });
}

void unary_backward(UnaryOp op, const float* saved, const float* dy, float* dx,
                    int64_t count) noexcept {
  visit_unary(op, [&]<UnaryOp constant>() {
    blocks(count, [&](int64_t i, int n) {
      store(dx + i, unary_derivative<constant>(load(saved + i, n), load(dy + i, n)), n);
    });
  });
}

}  // namespace espalier::ESPALIER_ISA
