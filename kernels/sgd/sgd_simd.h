// Stochastic gradient descent on sixteen lanes: everything is read once and written once.
#pragma once

#include "kernels/grad_norm/grad_norm.h"
#include "kernels/sgd/sgd.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

void sgd(const SgdStep<float>* numbers, const double* gradient_scale, const float* gradient,
         float* parameter, float* velocity, float* average, int64_t count) noexcept {
  if (!is_step(*gradient_scale)) return;
  const SgdStep<float>& step = *numbers;
  const f32x16 scale = broadcast(static_cast<float>(*gradient_scale)), l2 = broadcast(step.l2);
  const f32x16 decay = broadcast(step.decay), momentum = broadcast(step.momentum);
  const f32x16 minus_lr = broadcast(-step.lr), weight = broadcast(step.average_weight);
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f32x16 p0 = load(parameter + i, n);
    const f32x16 g = fma(scale, load(gradient + i, n), l2 * p0);
    f32x16 direction = g;
    if (velocity) {
      const f32x16 b = fma(momentum, load(velocity + i, n), g);
      store(velocity + i, b, n);
      direction = step.nesterov ? fma(momentum, b, g) : b;
    }
    const f32x16 p = fma(minus_lr, direction, decay * p0);
    store(parameter + i, p, n);
    if (average) {
      const f32x16 a = load(average + i, n);
      store(average + i, fma(weight, p - a, a), n);
    }
  });
}

}  // namespace espalier::ESPALIER_ISA
