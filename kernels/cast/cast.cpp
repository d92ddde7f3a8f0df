#include "kernels/cast/cast.h"

namespace espalier {

#define ESPALIER_CAST_ROWS(From, To, function)                                             \
  template <>                                                                              \
  std::span<const KernelRow<Cast<From, To>>> cast_kernels() noexcept {                     \
    static constexpr KernelRow<Cast<From, To>> rows[] = {                                  \
        ESPALIER_CUDA_ROW(cast<From, To>)                                                  \
            ESPALIER_ISA_ROWS(function){Isa::scalar, cast_detail::cast_scalar<From, To>}}; \
    return rows;                                                                           \
  }
ESPALIER_CAST_ROWS(float, Float16, cast_to_f16)
ESPALIER_CAST_ROWS(Float16, float, cast_from_f16)
ESPALIER_CAST_ROWS(float, BFloat16, cast_to_bf16)
ESPALIER_CAST_ROWS(BFloat16, float, cast_from_bf16)

}  // namespace espalier
