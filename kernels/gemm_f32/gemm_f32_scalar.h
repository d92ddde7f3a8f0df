// The scalar product that every element type shares as its reference.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {

constexpr int gemm_scalar_panel = gemm_f32_panel(Isa::scalar);

// Packs value(B[k, n]).
template <class T, class Value>
void gemm_pack_b_scalar(const T* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                        T* packed, Value value) noexcept {
  for (int64_t n0 = 0; n0 < N; n0 += gemm_scalar_panel)
    for (int64_t k = 0; k < K; ++k)
      for (int64_t n = n0; n < n0 + gemm_scalar_panel; ++n)
        *packed++ = n < N ? value(B[k * k_stride + n * n_stride]) : T(0);
}

// Multiplies value(A[m, k]) with b(n0, i), the value at place i of the panel of column n0.
template <class T, class Value, class B>
void gemm_run_scalar(const Gemm<T>& g, Value value, B b) noexcept {
  for (int64_t n0 = 0; n0 < g.N; n0 += gemm_scalar_panel) {
    const int64_t count = g.N - n0 < gemm_scalar_panel ? g.N - n0 : gemm_scalar_panel;
    for (int64_t m = 0; m < g.M; ++m) {
      T* c = g.C + m * g.c_row_stride + n0;
      T sum[gemm_scalar_panel] = {};
      for (int64_t n = 0; n < count; ++n)
        sum[n] = (g.accumulate ? c[n] : T(0)) + (g.bias ? g.bias[n0 + n] : T(0));
      for (int64_t k = 0; k < g.K; ++k) {
        const T a = value(g.A[m * g.a_row_stride + k * g.a_k_stride]);
        for (int n = 0; n < gemm_scalar_panel; ++n) sum[n] += a * b(n0, k * gemm_scalar_panel + n);
      }
      for (int64_t n = 0; n < count; ++n) c[n] = sum[n];
    }
  }
}
template <class T, class Value>
void gemm_run_scalar(const Gemm<T>& g, Value value) noexcept {
  gemm_run_scalar(g, value, [&](int64_t n0, int64_t i) { return g.packed_b[n0 * g.K + i]; });
}

}  // namespace espalier
