// Resources (scripts/checks/cuda_resources; shared memory of products is dynamic):
//   round_kernel    40       0  128  0.75
//   copied_kernel  128   98304  256  0.25
//   hopper_kernel  168  196672  384  0.19
#include "kernels/gemm_mma/gemm_launch_simt.h"
#include "kernels/linear_dynamic/linear_dynamic_scalar.h"
#include "kernels/quantize/quantize_scalar.h"

namespace espalier::cuda {
namespace {

using namespace simt;

// A warp a row. The row is read twice; it is in a cache after the first.
__global__ void round_kernel(const float* x, int64_t rows, int64_t K, int8_t* codes,
                             int64_t codes_stride, float* scales) {
  const int64_t r = row_index();
  if (r >= rows) return;
  x += r * K, codes += r * codes_stride;
  float magnitude = 0;
  for (int64_t k = lane_id(); k < K; k += warp_size) magnitude = Maximum()(magnitude, fabs(x[k]));
  const LinearDynamicRow row(warp_maximum(magnitude));
  for (int64_t k = lane_id(); k < K; k += warp_size)
    codes[k] = quantized<int8_t>(x[k], row.inverse, 0);
  if (lane_id() == 0) scales[r] = row.scale;
}

struct Finish {
  const float *channel, *scales, *bias;
  float* y;
  int64_t N;

  __device__ void operator()(int64_t, int64_t m, int64_t n, int32_t sum) const {
    y[m * N + n] = linear_dynamic_value(sum, channel[n], scales[m], bias ? bias + n : nullptr);
  }
};

}  // namespace

// As kernels/gemm_s8 packs B.
int64_t linear_dynamic_row(int64_t K) noexcept { return mma_packed_row(K); }

void linear_dynamic_run(const LinearDynamic& l) noexcept {
  const int64_t row = linear_dynamic_row(l.K);
  launch(round_kernel, rows_grid(l.M), l.x, l.M, l.K, l.codes, row, l.scales);
  const auto* packed = reinterpret_cast<const int8_t*>(l.packed_b);
  launch_copied<MmaS8>({l.M, l.N, l.K, {}, {}}, {l.codes, row}, {packed, row}, MmaOneTerm(),
                       Finish{l.channel, l.scales, l.bias, l.y, l.N});
}

}  // namespace espalier::cuda
