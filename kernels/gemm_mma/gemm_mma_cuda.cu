// Resources (scripts/checks/cuda_resources; shared memory is dynamic):
//   copied_kernel  128  98304  256  0.25
//   read_kernel     96  49152  128  0.25
//   hopper_kernel  168  196672  384  0.19
#include "kernels/gemm_mma/gemm_launch_simt.h"
#include "kernels/gemm_mma/gemm_mma.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class Element>
struct TypeOf;
template <>
struct TypeOf<BFloat16> {
  using Type = MmaBf16;
};
template <>
struct TypeOf<Float16> {
  using Type = MmaF16;
};
template <>
struct TypeOf<float> {
  using Type = MmaTf32;
};

// Minus infinity by name, since zero times infinity is NaN.
__device__ float gelu(float x) {
  if (std::isinf(x) && x < 0) return 0.0f;
  return x * 0.5f * (1 + erf(x * 0.70710678118654752f));
}

struct Finish {
  GemmEpilogue out;

  __device__ void operator()(int64_t c, int64_t m, int64_t n, float sum) const {
    const int64_t at = c + m * out.c_row_stride + n;
    if (out.bias) sum += out.bias[n];
    if (out.gelu) sum = gelu(sum);
    out.C[at] = out.residual ? out.residual[at] + sum : sum;
  }
};

// Whether all rows of an operand start on the boundaries that copies need.
template <class Element>
bool on_boundaries(const Element* data, int64_t row_stride, const GemmRepeats& products,
                   const GemmRepeats& terms, int64_t GemmRepeats::Dimension::*step) {
  constexpr auto whole = static_cast<int64_t>(mma_chunk / sizeof(Element));
  bool even = reinterpret_cast<uintptr_t>(data) % mma_chunk == 0 && row_stride % whole == 0;
  for (const GemmRepeats* repeats : {&products, &terms})
    for (int d = 0; d < repeats->rank; ++d) even &= repeats->dimensions[d].*step % whole == 0;
  return even;
}

template <class Element>
bool can_copy(const GemmMma<Element>& g) {
  using D = GemmRepeats::Dimension;
  return on_boundaries(g.A, g.a_row_stride, g.products, g.terms, &D::a) &&
         on_boundaries(g.B, g.b_row_stride, g.products, g.terms, &D::b);
}

}  // namespace

template <class Element>
void gemm_mma(const GemmMma<Element>& g) noexcept {
  using Type = typename TypeOf<Element>::Type;
  using Read = MmaRead<Element>;
  const MmaShape s{g.M, g.N, g.K, g.products, g.terms};
  const int64_t terms = count_of(g.terms);
  const MmaCopied<Element> a{g.A, g.a_row_stride}, b{g.B, g.b_row_stride};
  if (can_copy(g))
    launch_copied<Type>(s, a, b, terms, Finish{g.out});
  else
    launch_read<Type>(s, Read{{g.A, g.a_row_stride, 1}}, Read{{g.B, g.b_row_stride, 1}}, terms,
                      Finish{g.out});
}
template GemmMmaRun<BFloat16> gemm_mma<BFloat16>;
template GemmMmaRun<Float16> gemm_mma<Float16>;
template GemmMmaRun<float> gemm_mma<float>;

template <class Element>
void gemm_mma_rounding(const GemmBatch<float>& g) noexcept {
  using Read = MmaRead<Element, GemmOperand<float>>;
  launch_read<typename TypeOf<Element>::Type>(
      {g.M, g.N, g.K, g.products, g.terms}, Read{{g.A, g.a_row_stride, g.a_k_stride}},
      Read{{g.B, g.b_n_stride, g.b_k_stride}}, count_of(g.terms),
      Finish{{g.C, g.c_row_stride, g.bias, g.accumulate ? g.C : nullptr, false}});
}
template GemmRunBatch<float> gemm_mma_rounding<BFloat16>;
template GemmRunBatch<float> gemm_mma_rounding<Float16>;

}  // namespace espalier::cuda
