// Resources (scripts/checks/cuda_resources):
//   blocks_kernel  32  0  128  1.00
//   fold_kernel    32  0  32   0.50
//   clip_kernel    32  0  32   0.50
#include "kernels/grad_norm/grad_norm_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

constexpr int64_t lanes = 16;

// A warp a block of values, half of its lanes idle: the other rows' sixteen sums give their bits.
template <class T>
__global__ void blocks_kernel(const T* x, int64_t count, double* sums) {
  const int64_t block = row_index(), first = block * grad_norm_block;
  if (first >= count) return;
  const int64_t size = count - first < grad_norm_block ? count - first : grad_norm_block;
  double sum = 0;
  for (int64_t i = lane_id(); lane_id() < lanes && i < size; i += lanes) {
    const double value = x[first + i];
    sum += value * value;
  }
  for (unsigned distance = lanes / 2; distance > 0; distance /= 2)
    sum += shuffle_xor(sum, distance);
  if (lane_id() == 0) sums[block] = sum;
}

// One warp: it reads 32 sums at once, and each lane adds them in their order. Past the last are
// zeros, which change no sum of squares.
__global__ void fold_kernel(const double* sums, int64_t count, double* total) {
  double sum = 0;
  for (int64_t first = 0; first < count; first += warp_size) {
    const int64_t i = first + lane_id();
    const double own = i < count ? sums[i] : 0;
    for (unsigned lane = 0; lane < warp_size; ++lane) sum += shuffle(own, lane);
  }
  if (lane_id() == 0) *total += sum;
}

__global__ void clip_kernel(const NormLimits* limits, StepOutcome* outcome) {
  if (lane_id() == 0) clip_norm_scalar(*limits, *outcome);
}

}  // namespace

void sums_of_squares(const float* x, int64_t count, double* sums) noexcept {
  launch(blocks_kernel<float>, rows_grid(grad_norm_blocks(count)), x, count, sums);
}
void sums_of_squares(const double* x, int64_t count, double* sums) noexcept {
  launch(blocks_kernel<double>, rows_grid(grad_norm_blocks(count)), x, count, sums);
}

void fold_sums(const double* sums, int64_t count, double* total) noexcept {
  launch(fold_kernel, {}, sums, count, total);
}
void clip_norm(const NormLimits* limits, StepOutcome* outcome) noexcept {
  launch(clip_kernel, {}, limits, outcome);
}

}  // namespace espalier::cuda
