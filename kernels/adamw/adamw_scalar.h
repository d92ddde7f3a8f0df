// The step of one element, as the scalar rows and a GPU compute it.
#pragma once

#include <cmath>

#include "kernels/adamw/adamw.h"

namespace espalier {

// By the gradient `g`, scaled. `average` may be null.
template <class T>
ESPALIER_ANYWHERE void adamw_scalar_update(const AdamWStep<T>& step, T g, T& p, T& m, T& v,
                                           T* average) {
  m += step.beta1_complement * (g - m);
  v = step.beta2 * v + step.beta2_complement * g * g;
  p = step.decay * p -
      step.step_size * (m / (std::sqrt(v) * step.inverse_root_bias2 + step.epsilon));
  if (average) *average += step.average_weight * (p - *average);
}

}  // namespace espalier
