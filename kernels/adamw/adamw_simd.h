// AdamW on sixteen lanes: everything is read once and written once.
#pragma once

#include "kernels/adamw/adamw.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

void adamw(const AdamWStep<float>* numbers, const double* gradient_scale, const float* gradient,
           float* parameter, float* first_moment, float* second_moment, float* average,
           int64_t count) noexcept {
  if (!is_step(*gradient_scale)) return;
  const AdamWStep<float>& step = *numbers;
  const f32x16 scale = broadcast(static_cast<float>(*gradient_scale)),
               decay = broadcast(step.decay);
  const f32x16 beta1_complement = broadcast(step.beta1_complement);
  const f32x16 beta2 = broadcast(step.beta2), beta2_complement = broadcast(step.beta2_complement);
  const f32x16 minus_step = broadcast(-step.step_size), epsilon = broadcast(step.epsilon);
  const f32x16 inverse_root_bias2 = broadcast(step.inverse_root_bias2);
  const f32x16 weight = broadcast(step.average_weight);
  blocks(count, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f32x16 g = load(gradient + i, n) * scale;
    const f32x16 m0 = load(first_moment + i, n);
    const f32x16 m = fma(beta1_complement, g - m0, m0);
    const f32x16 v = fma(beta2_complement * g, g, beta2 * load(second_moment + i, n));
    const f32x16 denominator = fma(sqrt(v), inverse_root_bias2, epsilon);
    const f32x16 p = fma(minus_step, m / denominator, decay * load(parameter + i, n));
    store(first_moment + i, m, n);
    store(second_moment + i, v, n);
    store(parameter + i, p, n);
    if (average) {
      const f32x16 a = load(average + i, n);
      store(average + i, fma(weight, p - a, a), n);
    }
  });
}

}  // namespace espalier::ESPALIER_ISA
