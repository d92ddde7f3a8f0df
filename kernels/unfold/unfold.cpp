#include "kernels/unfold/unfold_scalar.h"

namespace espalier {
namespace {

template <class T>
void unfold_scalar(const T* x, T* patches, int64_t images, int64_t padding,
                   const Conv2dShape& shape) noexcept {
  const PlainImages plain(shape, padding);
  for (int64_t i = 0; i < images * shape.out_pixels() * shape.depth(); ++i)
    patches[i] = unfolded(x, plain, shape, i);
}

template <class T>
void fold_scalar(const T* patches, T* x, int64_t images, int64_t padding,
                 const Conv2dShape& shape) noexcept {
  const PlainImages plain(shape, padding);
  for (int64_t i = 0; i < images * plain.size(); ++i) x[i] = folded(patches, plain, shape, i);
}

}  // namespace

#define ESPALIER_UNFOLD_ROWS(T)                                     \
  template <>                                                       \
  std::span<const KernelRow<Unfold<T>>> unfold_kernels() noexcept { \
    static constexpr KernelRow<Unfold<T>> rows[] = {                \
        ESPALIER_CUDA_ROW(unfold){Isa::scalar, unfold_scalar<T>}};  \
    return rows;                                                    \
  }                                                                 \
  template <>                                                       \
  std::span<const KernelRow<Fold<T>>> fold_kernels() noexcept {     \
    static constexpr KernelRow<Fold<T>> rows[] = {                  \
        ESPALIER_CUDA_ROW(fold){Isa::scalar, fold_scalar<T>}};      \
    return rows;                                                    \
  }
ESPALIER_UNFOLD_ROWS(float)
ESPALIER_UNFOLD_ROWS(double)
#undef ESPALIER_UNFOLD_ROWS

}  // namespace espalier
