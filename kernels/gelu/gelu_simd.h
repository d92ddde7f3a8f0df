// GELU on sixteen lanes. Both forms are x for large x, 0 for small, and symmetric in between, so
// one tail q(t), t = |x|, gives all: y = max(x, 0) - t q(t), which keeps the relative accuracy of
// q where y is tiny, and the slope from the same exponential.
#pragma once

#include "kernels/gelu/gelu.h"
#include "kernels/simd_math.h"

namespace espalier::ESPALIER_ISA {

// q(t), and t * -q'(t).
struct GeluTail {
  f32x16 q, fall;
};

// The erf form: q(t) = Phi(-t) = e^(-t^2 / 2) R(t). R is half the scaled complementary error
// function of t / sqrt 2, here a minimax ratio of relative error 2^-25 on [0, 13.3], all of whose
// coefficients are positive. The rounding error of t^2 / 2 is carried into the exponential.
struct GeluErf {
  static constexpr float largest = 13.26f;  // q is under 2^-126, so 0, from just before here on

  ESPALIER_INLINE static GeluTail tail(const f32x16& t) {
    const f32x16 minus_half_t = t * broadcast(-0.5f);
    const f32x16 exponent = minus_half_t * t;
    const f32x16 e = exp_nonpositive(exponent, fma(minus_half_t, t, -exponent));
    f32x16 p = broadcast(0.004017631873743567f);
    p = fma(p, t, broadcast(0.039966822016966885f));
    p = fma(p, t, broadcast(0.18125507850845818f));
    p = fma(p, t, broadcast(0.4356161736712086f));
    p = fma(p, t, broadcast(0.5f));
    f32x16 d = broadcast(0.01007056575963418f);
    d = fma(d, t, broadcast(0.10018937370332666f));
    d = fma(d, t, broadcast(0.4642439413028215f));
    d = fma(d, t, broadcast(1.194268933046093f));
    d = fma(d, t, broadcast(1.6691172648213126f));
    d = fma(d, t, broadcast(1.0f));
    return {e * (p / d), (t * broadcast(0.3989422804014327f)) * e};
  }
};

// The tanh form: q(t) = (1 - tanh u) / 2 = e / (1 + e) with e = e^(-2u).
struct GeluTanh {
  static constexpr float largest = 10.03f;

  ESPALIER_INLINE static GeluTail tail(const f32x16& t) {
    const f32x16 linear = broadcast(-1.5957691216057308f);
    const f32x16 cubic = broadcast(-0.07135481627260025f);
    const f32x16 square = t * t;
    const f32x16 e = exp_nonpositive(t * fma(square, cubic, linear), broadcast(0.0f));
    const f32x16 upper = broadcast(1.0f) / (broadcast(1.0f) + e);
    const f32x16 q = e * upper;
    const f32x16 steepness = t * fma(square, cubic * broadcast(-3.0f), -linear);
    return {q, (q * upper) * steepness};
  }
};

template <class Form>
ESPALIER_INLINE f32x16 gelu_magnitude(const f32x16& x) {
  return min(broadcast(Form::largest), abs(x));
}

ESPALIER_INLINE f32x16 gelu_value(const f32x16& x, const f32x16& t, const GeluTail& tail) {
  return fma(-t, tail.q, max(x, broadcast(0.0f)));
}

template <class Form>
ESPALIER_INLINE void gelu_forward_form(const float* x, float* y, int64_t count) {
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f32x16 v = load(x + i, n);
    const f32x16 t = gelu_magnitude<Form>(v);
    store(y + i, gelu_value(v, t, Form::tail(t)), n);
  });
}

template <class Form>
ESPALIER_INLINE void gelu_training_form(const float* x, float* y, float* slope, int64_t count) {
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f32x16 v = load(x + i, n);
    const f32x16 t = gelu_magnitude<Form>(v);
    const GeluTail tail = Form::tail(t);
    const f32x16 below = tail.q - tail.fall;
    store(y + i, gelu_value(v, t, tail), n);
    store(slope + i, select(v < broadcast(0.0f), below, broadcast(1.0f) - below), n);
  });
}

void gelu_forward(GeluKind kind, const float* x, float* y, int64_t count) noexcept {
  if (kind == GeluKind::erf)
    gelu_forward_form<GeluErf>(x, y, count);
  else
    gelu_forward_form<GeluTanh>(x, y, count);
}

void gelu_training(GeluKind kind, const float* x, float* y, float* slope, int64_t count) noexcept {
  if (kind == GeluKind::erf)
    gelu_training_form<GeluErf>(x, y, slope, count);
  else
    gelu_training_form<GeluTanh>(x, y, slope, count);
}

void gelu_backward(const float* slope, const float* dy, float* dx, int64_t count) noexcept {
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    store(dx + i, load(dy + i, n) * load(slope + i, n), n);
  });
}

}  // namespace espalier::ESPALIER_ISA
