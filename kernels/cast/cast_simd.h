// Float to half and back, sixteen lanes at a time.
#pragma once

#include "kernels/cast/cast.h"
#include "kernels/simd_half.h"

namespace espalier::ESPALIER_ISA {

template <class Half>
ESPALIER_INLINE void narrow(const float* x, uint16_t* y, int64_t count) {
  blocks(count, [&](int64_t i, int n)
                    ESPALIER_INLINE_LAMBDA { store_half<Half>(y + i, load(x + i, n), n); });
}
template <class Half>
ESPALIER_INLINE void widen(const uint16_t* x, float* y, int64_t count) {
  blocks(count, [&](int64_t i, int n)
                    ESPALIER_INLINE_LAMBDA { store(y + i, load_half<Half>(x + i, n), n); });
}

void cast_to_f16(const float* x, Float16* y, int64_t count) noexcept {
  narrow<F16InMemory>(x, &y->bits, count);
}
void cast_from_f16(const Float16* x, float* y, int64_t count) noexcept {
  widen<F16InMemory>(&x->bits, y, count);
}
void cast_to_bf16(const float* x, BFloat16* y, int64_t count) noexcept {
  narrow<Bf16InMemory>(x, &y->bits, count);
}
void cast_from_bf16(const BFloat16* x, float* y, int64_t count) noexcept {
  widen<Bf16InMemory>(&x->bits, y, count);
}

}  // namespace espalier::ESPALIER_ISA
