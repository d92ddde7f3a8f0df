// Cross-entropy on sixteen lanes. With u_j = m - x_j >= 0 the loss is
// log(s) sum_j q_j + sum_j q_j u_j, sums of which a lane past the end adds 0: its u is 0.
#pragma once

#include <limits>

#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/simd_math.h"

namespace espalier::ESPALIER_ISA {

constexpr float cross_entropy_padding = -std::numeric_limits<float>::infinity();

ESPALIER_INLINE float cross_entropy_largest(const float* x, int64_t classes) {
  f32x16 largest = broadcast(cross_entropy_padding);
  blocks(classes, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    largest = max(load(x + i, n, cross_entropy_padding), largest);
  });
  return reduce_max(largest);
}

// sum_j q_j: 1 for an index, and as it is given for probabilities.
ESPALIER_INLINE float cross_entropy_mass(const CrossEntropyTarget<float>& target, int64_t r,
                                         int64_t classes) {
  if (target.index) return 1.0f;
  const float* p = target.probability + r * classes;
  f32x16 sum = broadcast(0.0f);
  blocks(classes, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA { sum = sum + load(p + i, n); });
  return (1.0f - target.smoothing) * reduce_add(sum) + target.smoothing;
}

// sum_j q_j (m - x_j), where a class of q_j = 0 adds 0 though its logit be -inf.
ESPALIER_INLINE float cross_entropy_distance(const float* x, float largest,
                                             const CrossEntropyTarget<float>& target, int64_t r,
                                             int64_t classes) {
  const float sharp = 1.0f - target.smoothing;
  const float uniform = target.smoothing / static_cast<float>(classes);
  const bool sparse = target.index && uniform == 0.0f;
  f32x16 sum = broadcast(0.0f);
  if (!sparse) {
    const f32x16 zero = broadcast(0.0f);
    blocks(classes, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 p = target.index ? zero : load(target.probability + r * classes + i, n);
      const f32x16 q = fma(p, broadcast(sharp), broadcast(uniform));
      const f32x16 distance = broadcast(largest) - load(x + i, n, largest);
      sum = select(q == zero, sum, fma(q, distance, sum));
    });
  }
  const float spread = reduce_add(sum);
  if (!target.index || sharp == 0.0f) return spread;
  return spread + sharp * (largest - x[target.index[r]]);
}

void cross_entropy_forward(const float* x, const CrossEntropyTarget<float>& target, float* loss,
                           int64_t rows, int64_t classes) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += classes) {
    const float largest = cross_entropy_largest(x, classes);
    f32x16 sum = broadcast(0.0f);
    blocks(classes, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      sum = sum + exp(load(x + i, n, cross_entropy_padding) - broadcast(largest));
    });
    const float log_sum = first_lane(log(broadcast(reduce_add(sum))));
    loss[r] = cross_entropy_mass(target, r, classes) * log_sum +
              cross_entropy_distance(x, largest, target, r, classes);
  }
}

void cross_entropy_backward(const float* x, const CrossEntropyTarget<float>& target, float scale,
                            float* dx, int64_t rows, int64_t classes) noexcept {
  const float sharp = 1.0f - target.smoothing;
  const float uniform = target.smoothing / static_cast<float>(classes);
  for (int64_t r = 0; r < rows; ++r, x += classes, dx += classes) {
    const float largest = cross_entropy_largest(x, classes);
    f32x16 sum = broadcast(0.0f);
    blocks(classes, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 e = exp(load(x + i, n, cross_entropy_padding) - broadcast(largest));
      store(dx + i, e, n);
      sum = sum + e;
    });
    const float factor = cross_entropy_mass(target, r, classes) / reduce_add(sum);
    const float at_index = target.index ? dx[target.index[r]] : 0.0f;
    blocks(classes, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 p =
          target.index ? broadcast(0.0f) : load(target.probability + r * classes + i, n);
      const f32x16 q = fma(p, broadcast(sharp), broadcast(uniform));
      store(dx + i, (load(dx + i, n) * broadcast(factor) - q) * broadcast(scale), n);
    });
    if (target.index) dx[target.index[r]] = (at_index * factor - (sharp + uniform)) * scale;
  }
}

}  // namespace espalier::ESPALIER_ISA
