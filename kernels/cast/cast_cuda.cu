// Resources (scripts/checks/cuda_resources):
//   cast_kernel  24  0  256  1.00
#include "kernels/cast/cast.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class From, class To>
__global__ void cast_kernel(const From* x, To* y, int64_t count) {
  const int64_t i = element_index();
  if (i < count) y[i] = cast_detail::convert<To>(x[i]);
}

}  // namespace

template <class From, class To>
void cast(const From* x, To* y, int64_t count) noexcept {
  launch(cast_kernel<From, To>, elements_grid(count), x, y, count);
}

#define ESPALIER_CASTS_OF(From)                                 \
  template void cast(const From*, float*, int64_t) noexcept;    \
  template void cast(const From*, double*, int64_t) noexcept;   \
  template void cast(const From*, Float16*, int64_t) noexcept;  \
  template void cast(const From*, BFloat16*, int64_t) noexcept; \
  template void cast(const From*, int8_t*, int64_t) noexcept;   \
  template void cast(const From*, uint8_t*, int64_t) noexcept;  \
  template void cast(const From*, int16_t*, int64_t) noexcept;  \
  template void cast(const From*, int32_t*, int64_t) noexcept;  \
  template void cast(const From*, int64_t*, int64_t) noexcept;  \
  template void cast(const From*, bool*, int64_t) noexcept;
ESPALIER_CASTS_OF(float)
ESPALIER_CASTS_OF(double)
ESPALIER_CASTS_OF(Float16)
ESPALIER_CASTS_OF(BFloat16)
ESPALIER_CASTS_OF(int8_t)
ESPALIER_CASTS_OF(uint8_t)
ESPALIER_CASTS_OF(int16_t)
ESPALIER_CASTS_OF(int32_t)
ESPALIER_CASTS_OF(int64_t)
ESPALIER_CASTS_OF(bool)
#undef ESPALIER_CASTS_OF

}  // namespace espalier::cuda
