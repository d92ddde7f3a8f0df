// Resources (scripts/checks/cuda_resources):
//   normalize_kernel  40  0  128  0.75
#include "kernels/layer_norm_s8/layer_norm_s8_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

// A warp a row. The row is read twice; it is in a cache after the first. Its sums are exact, so
// that the order in which lanes add them does not matter.
__global__ void normalize_kernel(const int16_t* x, const float* gamma, const float* beta, int8_t* y,
                                 int64_t rows, int64_t width, float eps) {
  const int64_t r = row_index();
  if (r >= rows) return;
  x += r * width, y += r * width;
  int64_t sum = 0, squares = 0;
  for (int64_t i = lane_id(); i < width; i += warp_size)
    sum += x[i], squares += int64_t{x[i]} * x[i];
  const LayerNormS8Row row(warp_sum(sum), warp_sum(squares), width, eps);
  for (int64_t i = lane_id(); i < width; i += warp_size) y[i] = row.code(x[i], gamma[i], beta[i]);
}

}  // namespace

void layer_norm_s8(const int16_t* x, const float* gamma, const float* beta, int8_t* y, int64_t rows,
                   int64_t width, float eps) noexcept {
  launch(normalize_kernel, rows_grid(rows), x, gamma, beta, y, rows, width, eps);
}

}  // namespace espalier::cuda
