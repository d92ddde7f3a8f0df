#include "kernels/cast/cast.h"

namespace espalier {

template <class From, class To>
std::span<const KernelRow<Cast<From, To>>> cast_kernels() noexcept {
#define ESPALIER_SIMD_CAST(A, B, function)                                                 \
  if constexpr (std::is_same_v<From, A> && std::is_same_v<To, B>) {                        \
    static constexpr KernelRow<Cast<From, To>> rows[] = {                                  \
        ESPALIER_CUDA_ROW(cast<From, To>)                                                  \
            ESPALIER_ISA_ROWS(function){Isa::scalar, cast_detail::cast_scalar<From, To>}}; \
    return rows;                                                                           \
  }
  ESPALIER_SIMD_CAST(float, Float16, cast_to_f16)
  ESPALIER_SIMD_CAST(Float16, float, cast_from_f16)
  ESPALIER_SIMD_CAST(float, BFloat16, cast_to_bf16)
  ESPALIER_SIMD_CAST(BFloat16, float, cast_from_bf16)
#undef ESPALIER_SIMD_CAST
  static constexpr KernelRow<Cast<From, To>> rows[] = {
      ESPALIER_CUDA_ROW(cast<From, To>){Isa::scalar, cast_detail::cast_scalar<From, To>}};
  return rows;
}

#define ESPALIER_CAST(From, To) \
  template std::span<const KernelRow<Cast<From, To>>> cast_kernels() noexcept
#define ESPALIER_CASTS_TO(To)  \
  ESPALIER_CAST(float, To);    \
  ESPALIER_CAST(double, To);   \
  ESPALIER_CAST(Float16, To);  \
  ESPALIER_CAST(BFloat16, To); \
  ESPALIER_CAST(int8_t, To);   \
  ESPALIER_CAST(uint8_t, To);  \
  ESPALIER_CAST(int16_t, To);  \
  ESPALIER_CAST(int32_t, To);  \
  ESPALIER_CAST(int64_t, To);  \
  ESPALIER_CAST(bool, To)
ESPALIER_CASTS_TO(float);
ESPALIER_CASTS_TO(double);
ESPALIER_CASTS_TO(Float16);
ESPALIER_CASTS_TO(BFloat16);
ESPALIER_CASTS_TO(int8_t);
ESPALIER_CASTS_TO(uint8_t);
ESPALIER_CASTS_TO(int16_t);
ESPALIER_CASTS_TO(int32_t);
ESPALIER_CASTS_TO(int64_t);
ESPALIER_CASTS_TO(bool);

}  // namespace espalier
