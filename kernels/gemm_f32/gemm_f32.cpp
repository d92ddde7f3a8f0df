#include "kernels/gemm_f32/gemm_f32_scalar.h"

namespace espalier {
namespace {

template <class T>
void pack_b(const T* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
            T* packed) noexcept {
  gemm_pack_b_scalar(B, k_stride, n_stride, K, N, packed, [](T b) { return b; });
}

template <class T>
void run(const Gemm<T>& g) noexcept {
  gemm_run_scalar(g, [](T a) { return a; });
}

#define ESPALIER_GEMM_ROW(isa) \
  {Isa::isa, gemm_f32_panel(Isa::isa), isa::gemm_pack_b, isa::gemm_run},

template <class T>
constexpr GemmKernel<T> scalar_row = {Isa::scalar, gemm_scalar_panel, pack_b<T>, run<T>};

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
