// Chains of fp32 registers. Enough of them to hide the latency of a multiply-add (4 cycles, 6 for
// vdpbf16ps; two start a cycle on x86, up to four on Arm), and few enough to stay in the 16
// registers of AVX2 beside the operands.
#pragma once

#include "kernels/peak/peak.h"
#include "kernels/peak/peak_chains_simd.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int peak_chains = hardware_lanes == 8 ? 12 : 16;

// Puts the sum of all lanes into the sink; `step` does `operations` in a lane.
template <class Step>
ESPALIER_INLINE int64_t run_f32_chains(int64_t steps, int64_t operations, float* sink, Step step) {
  float lane[hardware_lanes];
  run_chains(
      steps, [](int i) ESPALIER_INLINE_LAMBDA { return f32(static_cast<float>(i)); }, step,
      [](f32 a, f32 b) ESPALIER_INLINE_LAMBDA { return a + b; },
      std::make_integer_sequence<int, peak_chains>())
      .store_unaligned(lane);
  sink[0] = 0;
  for (float value : lane) sink[0] += value;
  return steps * peak_chains * hardware_lanes * operations;
}

}  // namespace espalier::ESPALIER_ISA
