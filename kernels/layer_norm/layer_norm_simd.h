// Layer normalisation on sixteen lanes: a pass over the row for each sum and one for the result. A
// row of some thousand values stays in the first cache between passes.
#pragma once

#include "kernels/layer_norm/layer_norm.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

// `group` rows at once, to have several independent sums on the way.
template <int group>
ESPALIER_INLINE void layer_norm_rows(const float* x, const float* gamma, const float* beta,
                                     float* y, float* mean, float* rstd, int64_t width, float eps) {
  const float count = static_cast<float>(width);
  f32x16 sum[group], squares[group];
  float m[group], s[group];
  for (int r = 0; r < group; ++r) sum[r] = squares[r] = broadcast(0.0f);
  blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    for (int r = 0; r < group; ++r) sum[r] = sum[r] + load(x + r * width + i, n);
  });
  for (int r = 0; r < group; ++r) m[r] = reduce_add(sum[r]) / count;
  blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    for (int r = 0; r < group; ++r) {
      const f32x16 d = load(x + r * width + i, n, m[r]) - broadcast(m[r]);
      squares[r] = fma(d, d, squares[r]);
    }
  });
  for (int r = 0; r < group; ++r)
    s[r] = 1.0f / __builtin_sqrtf(reduce_add(squares[r]) / count + eps);
  blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f32x16 g = load(gamma + i, n), b = load(beta + i, n);
    for (int r = 0; r < group; ++r) {
      const f32x16 normalised = (load(x + r * width + i, n) - broadcast(m[r])) * broadcast(s[r]);
      store(y + r * width + i, fma(normalised, g, b), n);
    }
  });
  if (!mean) return;
  for (int r = 0; r < group; ++r) mean[r] = m[r], rstd[r] = s[r];
}

void layer_norm_forward(const float* x, const float* gamma, const float* beta, float* y,
                        float* mean, float* rstd, int64_t rows, int64_t width, float eps) noexcept {
  constexpr int group = 4;
  const auto run = [&]<int count>(int64_t r) ESPALIER_INLINE_LAMBDA {
    layer_norm_rows<count>(x + r * width, gamma, beta, y + r * width, mean ? mean + r : nullptr,
                           mean ? rstd + r : nullptr, width, eps);
  };
  int64_t r = 0;
  for (; r + group <= rows; r += group) run.template operator()<group>(r);
  for (; r < rows; ++r) run.template operator()<1>(r);
}

// Adds the rows' share of dgamma and dbeta, column block by column block, so that the sums stay in
// registers down the rows.
ESPALIER_INLINE void layer_norm_parameters(const float* x, const float* mean, const float* rstd,
                                           const float* dy, float* dgamma, float* dbeta,
                                           int64_t rows, int64_t width) {
  blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    f32x16 gamma_sum = load(dgamma + i, n), beta_sum = load(dbeta + i, n);
    for (int64_t r = 0; r < rows; ++r) {
      const f32x16 g = load(dy + r * width + i, n);
      const f32x16 centred = load(x + r * width + i, n) - broadcast(mean[r]);
      gamma_sum = fma(g, centred * broadcast(rstd[r]), gamma_sum);
      beta_sum = beta_sum + g;
    }
    store(dgamma + i, gamma_sum, n);
    store(dbeta + i, beta_sum, n);
  });
}

ESPALIER_INLINE void layer_norm_input(const float* x, const float* gamma, float mean, float rstd,
                                      const float* dy, float* dx, int64_t width) {
  const f32x16 centre = broadcast(mean), scale = broadcast(rstd);
  f32x16 sum = broadcast(0.0f), dot = broadcast(0.0f);
  blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f32x16 g = load(dy + i, n) * load(gamma + i, n);
    const f32x16 normalised = (load(x + i, n) - centre) * scale;
    sum = sum + g;
    dot = fma(g, normalised, dot);
  });
  const f32x16 mean_g = broadcast(reduce_add(sum) / static_cast<float>(width));
  const f32x16 mean_dot = broadcast(reduce_add(dot) / static_cast<float>(width));
  blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    const f32x16 g = load(dy + i, n) * load(gamma + i, n);
    const f32x16 normalised = (load(x + i, n) - centre) * scale;
    store(dx + i, fma(-normalised, mean_dot, g - mean_g) * scale, n);
  });
}

void layer_norm_backward(const float* x, const float* gamma, const float* mean, const float* rstd,
                         const float* dy, float* dx, float* dgamma, float* dbeta, int64_t rows,
                         int64_t width) noexcept {
  constexpr int64_t group = 8;  // rows still in the first cache when they are used again
  for (int64_t first = 0; first < rows; first += group) {
    const int64_t end = rows - first < group ? rows : first + group;
    if (dgamma)
      layer_norm_parameters(x + first * width, mean + first, rstd + first, dy + first * width,
                            dgamma, dbeta, end - first, width);
    for (int64_t r = first; r < end; ++r)
      layer_norm_input(x + r * width, gamma, mean[r], rstd[r], dy + r * width, dx + r * width,
                       width);
  }
}

}  // namespace espalier::ESPALIER_ISA
