// Resources (scripts/checks/cuda_resources; shared memory of read_kernel is dynamic):
//   multiply_kernel  216  33792  256  0.12
//   read_kernel       96  49152  128  0.25
#include "kernels/gemm_f32/gemm_f32_simt.h"
#include "kernels/gemm_mma/gemm_launch_simt.h"
#include "kernels/linear_wq/linear_wq_scalar.h"

namespace espalier::cuda {
namespace {

using namespace simt;

// The columns of B, which are the channels of W, widened as they are read: an operand of both
// skeletons.
struct Widened {
  int bits;
  const uint8_t* codes;
  const float* scales;
  int64_t code_stride, scale_stride;
  uint32_t group, first;  // first: the value of k that read() counts from

  explicit Widened(const LinearWq& l)
      : bits(l.bits),
        codes(l.codes),
        scales(l.scales),
        code_stride(l.bits == 8 ? l.K : (l.K + 1) / 2),
        scale_stride(linear_wq_groups(l.K, l.group)),
        group(static_cast<uint32_t>(l.group < l.K ? l.group : l.K)),
        first(0) {}

  __device__ static constexpr bool along_k() { return true; }
  __device__ Widened from(int64_t, int64_t column, int64_t k) const {
    Widened there = *this;
    there.codes += column * code_stride, there.scales += column * scale_stride;
    there.first += static_cast<uint32_t>(k);
    return there;
  }
  __device__ float read(int64_t column, int64_t k) const {
    const uint32_t at = first + static_cast<uint32_t>(k);
    const int code = linear_wq_code(bits, codes + column * code_stride, at);
    return static_cast<float>(code) * scales[column * scale_stride + at / group];
  }
};

template <unsigned groups>
__global__ void __launch_bounds__(squares::block_threads)
    multiply_kernel(const __grid_constant__ GemmBatch<float> g, const __grid_constant__ Widened w) {
  squares::multiply<float, groups>(g, w, 1);
}

struct Finish {
  const float* bias;
  float* y;
  int64_t N;

  __device__ void operator()(int64_t, int64_t m, int64_t n, float sum) const {
    y[m * N + n] = bias ? sum + bias[n] : sum;
  }
};

template <class Type>
void launch_rounding(const LinearWq& l) {
  using Raw = typename Type::Raw;
  launch_read<Type>({l.M, l.N, l.K, {}, {}}, MmaRead<Raw, GemmOperand<float>>{{l.x, l.K, 1}},
                    MmaRead<Raw, Widened>{Widened(l)}, MmaOneTerm(), Finish{l.bias, l.y, l.N});
}

}  // namespace

template <>
void linear_wq_run<float>(const LinearWq& l) noexcept {
  GemmBatch<float> g;
  g.M = l.M, g.N = l.N, g.K = l.K;
  g.A = l.x, g.a_row_stride = l.K, g.a_k_stride = 1;
  g.C = l.y, g.c_row_stride = l.N;
  g.bias = l.bias;
  const Grid large = squares::grid<2>(g);
  if (large.blocks_x >= squares::fill_a_gpu)
    launch(multiply_kernel<2>, large, g, Widened(l));
  else
    launch(multiply_kernel<1>, squares::grid<1>(g), g, Widened(l));
}
template <>
void linear_wq_run<BFloat16>(const LinearWq& l) noexcept {
  launch_rounding<MmaBf16>(l);
}
template <>
void linear_wq_run<Float16>(const LinearWq& l) noexcept {
  launch_rounding<MmaF16>(l);
}

}  // namespace espalier::cuda
