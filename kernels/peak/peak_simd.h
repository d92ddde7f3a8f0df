// The chains of fused multiply-adds in fp32.
#pragma once

#include "kernels/peak/peak_f32_chains_simd.h"

namespace espalier::ESPALIER_ISA {

int64_t peak_f32(float factor, int64_t steps, float* sink) noexcept {
  const f32 each_lane(factor);
  return run_f32_chains(steps, 2, sink, [&](f32 chain) ESPALIER_INLINE_LAMBDA {
    return fma(chain, each_lane, chain);
  });
}

}  // namespace espalier::ESPALIER_ISA
