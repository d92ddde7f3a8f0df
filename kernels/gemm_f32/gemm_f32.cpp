#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {
namespace {

constexpr int scalar_panel = gemm_f32_panel(Isa::scalar);

template <class T>
void gemm_pack_b_scalar(const T* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                        T* packed) noexcept {
  for (int64_t n0 = 0; n0 < N; n0 += scalar_panel)
    for (int64_t k = 0; k < K; ++k)
      for (int64_t n = n0; n < n0 + scalar_panel; ++n)
        *packed++ = n < N ? B[k * k_stride + n * n_stride] : T(0);
}

template <class T>
void gemm_run_scalar(const Gemm<T>& g) noexcept {
  for (int64_t n0 = 0; n0 < g.N; n0 += scalar_panel) {
    const T* panel = g.packed_b + n0 * g.K;
    const int64_t count = g.N - n0 < scalar_panel ? g.N - n0 : scalar_panel;
    for (int64_t m = 0; m < g.M; ++m) {
      T* c = g.C + m * g.c_row_stride + n0;
      T sum[scalar_panel] = {};
      for (int64_t n = 0; n < count; ++n)
        sum[n] = (g.accumulate ? c[n] : T(0)) + (g.bias ? g.bias[n0 + n] : T(0));
      for (int64_t k = 0; k < g.K; ++k) {
        const T a = g.A[m * g.a_row_stride + k * g.a_k_stride];
        for (int n = 0; n < scalar_panel; ++n) sum[n] += a * panel[k * scalar_panel + n];
      }
      for (int64_t n = 0; n < count; ++n) c[n] = sum[n];
    }
  }
}

#define ESPALIER_GEMM_ROW(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_pack_b, isa::gemm_run},

template <class T>
constexpr GemmKernel<T> scalar_row = {Isa::scalar, scalar_panel, gemm_pack_b_scalar<T>,
                                      gemm_run_scalar<T>};

}  // namespace

template <>
std::span<const GemmKernel<float>> gemm_kernels() noexcept {
  static constexpr GemmKernel<float> rows[] = {ESPALIER_EACH_ISA(ESPALIER_GEMM_ROW)
                                                   scalar_row<float>};
  return rows;
}

template <>
std::span<const GemmKernel<double>> gemm_kernels() noexcept {
  static constexpr GemmKernel<double> rows[] = {scalar_row<double>};
  return rows;
}

}  // namespace espalier
