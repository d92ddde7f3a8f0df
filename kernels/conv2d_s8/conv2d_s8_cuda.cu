// Resources (scripts/checks/cuda_resources):
//   unfold_kernel  40  0  256  0.75
#include "kernels/conv2d_s8/conv2d_s8_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

// A thread a byte of the patches.
__global__ void unfold_kernel(const int8_t* x, int8_t* patches, int64_t count, int64_t patch_stride,
                              PlainImages plain, int8_t border, Conv2dShape shape) {
  const int64_t i = element_index();
  if (i < count)
    patches[i] = patch_code(x, plain, shape, border, i / patch_stride, i % patch_stride);
}

}  // namespace

void conv2d_s8_unfold(const int8_t* x, int8_t* patches, int64_t patch_stride, int64_t images,
                      int64_t padding, int8_t border, const Conv2dShape& shape) noexcept {
  const int64_t count = images * shape.out_pixels() * patch_stride;
  launch(unfold_kernel, elements_grid(count), x, patches, count, patch_stride,
         PlainImages(shape, padding), border, shape);
}

}  // namespace espalier::cuda
