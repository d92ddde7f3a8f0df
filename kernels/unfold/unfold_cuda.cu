// Resources (scripts/checks/cuda_resources):
//   unfold_kernel  32  0  256  1.00
//   fold_kernel    56  0  256  0.50
#include "kernels/simt/simt.h"
#include "kernels/unfold/unfold_scalar.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void unfold_kernel(const T* x, T* patches, int64_t count, PlainImages plain,
                              Conv2dShape shape) {
  const int64_t i = element_index();
  if (i < count) patches[i] = unfolded(x, plain, shape, i);
}

template <class T>
__global__ void fold_kernel(const T* patches, T* x, int64_t count, PlainImages plain,
                            Conv2dShape shape) {
  const int64_t i = element_index();
  if (i < count) x[i] = folded(patches, plain, shape, i);
}

}  // namespace

#define ESPALIER_UNFOLD(T)                                                                         \
  void unfold(const T* x, T* patches, int64_t images, int64_t padding,                             \
              const Conv2dShape& shape) noexcept {                                                 \
    const int64_t count = images * shape.out_pixels() * shape.depth();                             \
    launch(unfold_kernel<T>, elements_grid(count), x, patches, count, PlainImages(shape, padding), \
           shape);                                                                                 \
  }                                                                                                \
  void fold(const T* patches, T* x, int64_t images, int64_t padding,                               \
            const Conv2dShape& shape) noexcept {                                                   \
    const PlainImages plain(shape, padding);                                                       \
    const int64_t count = images * plain.size();                                                   \
    launch(fold_kernel<T>, elements_grid(count), patches, x, count, plain, shape);                 \
  }
ESPALIER_UNFOLD(float)
ESPALIER_UNFOLD(double)
#undef ESPALIER_UNFOLD

}  // namespace espalier::cuda
