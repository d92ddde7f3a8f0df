// Enough chains to hide the latency of a fused multiply-add (4 cycles; two start a cycle on x86, up
// to four on Arm), and few enough to stay in the 16 registers of AVX2 beside the factor.
#pragma once

#include <utility>

#include "kernels/peak/peak.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

// The chains are named by a parameter pack, not a loop, so that each becomes a register.
template <int... i>
ESPALIER_INLINE f32 run_chains(const f32& factor, int64_t steps, std::integer_sequence<int, i...>) {
  f32 chain[] = {f32(static_cast<float>(i))...};
  for (int64_t s = 0; s < steps; ++s) ((chain[i] = fma(chain[i], factor, chain[i])), ...);
  return (chain[i] + ...);
}

int64_t peak_multiply_add(float factor, int64_t steps, float* sink) noexcept {
  constexpr int chains = hardware_lanes == 8 ? 12 : 16;
  float lane[hardware_lanes];
  run_chains(f32(factor), steps, std::make_integer_sequence<int, chains>()).store_unaligned(lane);
  sink[0] = 0;
  for (float value : lane) sink[0] += value;
  return steps * chains * hardware_lanes * 2;
}

}  // namespace espalier::ESPALIER_ISA
