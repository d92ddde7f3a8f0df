// The step of one element, as the scalar rows and a GPU compute it.
#pragma once

#include "kernels/sgd/sgd.h"

namespace espalier {

// By the gradient `scaled`. `velocity` and `average` may be null.
template <class T>
ESPALIER_ANYWHERE void sgd_scalar_update(const SgdStep<T>& step, T scaled, T& p, T* velocity,
                                         T* average) {
  const T g = scaled + step.l2 * p;
  T direction = g;
  if (velocity) {
    *velocity = step.momentum * *velocity + g;
    direction = step.nesterov ? g + step.momentum * *velocity : *velocity;
  }
  p = step.decay * p - step.lr * direction;
  if (average) *average += step.average_weight * (p - *average);
}

}  // namespace espalier
