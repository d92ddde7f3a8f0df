// How far a step scales its gradients down, as the processor and a GPU compute it.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/grad_norm/grad_norm.h"

namespace espalier {

inline ESPALIER_ANYWHERE void clip_norm_scalar(const NormLimits& limits, StepOutcome& outcome) {
  const double norm = std::sqrt(outcome.sum_of_squares) / limits.loss_scale;
  const double factor = limits.max_norm / (norm + 1e-6);
  outcome.norm = norm;
  outcome.gradient_scale = is_step(norm) && is_step(outcome.loss)
                               ? (factor < 1 ? factor : 1) / limits.loss_scale
                               : std::numeric_limits<double>::quiet_NaN();
  outcome.unit_scale = is_step(outcome.gradient_scale) ? 1 : outcome.gradient_scale;
}

}  // namespace espalier
