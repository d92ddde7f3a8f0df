// Resources (scripts/checks/cuda_resources):
//   pool_kernel  48  0  256  0.62
#include "kernels/max_pool2d_s8/max_pool2d_s8_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

// A thread an output.
__global__ void pool_kernel(const int8_t* x, int8_t* y, int64_t count, MaxPool2dShape s) {
  const int64_t index = element_index();
  if (index >= count) return;
  const int64_t c = index % s.channels, j = index / s.channels % s.out_width();
  const int64_t i = index / (s.channels * s.out_width()) % s.out_height();
  x += index / s.out_size() * s.in_size();
  y[index] = largest_of(x, s, i * s.stride - s.padding, j * s.stride - s.padding, c);
}

}  // namespace

void max_pool2d_s8(const int8_t* x, int8_t* y, int64_t images,
                   const MaxPool2dShape& shape) noexcept {
  const int64_t count = images * shape.out_size();
  launch(pool_kernel, elements_grid(count), x, y, count, shape);
}

}  // namespace espalier::cuda
