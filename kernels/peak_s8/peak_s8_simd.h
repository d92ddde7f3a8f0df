// Enough chains to hide the latency of a dot product (5 cycles, two start a cycle), and few enough
// to stay in the 16 registers of AVX2 beside the operands and one product.
#pragma once

#include "kernels/peak/peak_chains_simd.h"
#include "kernels/peak_s8/peak_s8.h"
#include "kernels/simd_s8.h"

namespace espalier::ESPALIER_ISA {

// The compiler may not know what a register holds. It would find that the right operand is all
// ones, and that every product is the same one, computed once where product and sum are two
// instructions. And a sum stays in its register: g++ 12 moves those of a loop about, and to the
// stack.
template <class Register>
ESPALIER_INLINE void forget(Register& x) {
#if defined(ESPALIER_EMULATE_VNNI)
  (void)x;  // a pair of registers, whose speed says nothing anyway
#elif defined(__x86_64__)
  __asm__ volatile("" : "+x"(x));
#else
  __asm__ volatile("" : "+w"(x));
#endif
}

int64_t peak_s8(float factor, int64_t steps, float* sink) noexcept {
  constexpr int chains = group == 2 ? 12 : 16;
  a_type factors[group];
  b_type ones[b_values];
  for (a_type& value : factors) value = static_cast<a_type>(factor);
  for (b_type& value : ones) value = 1;
  auto left = broadcast_group(factors);
  b_register right = load_b(ones);
  forget(right);
  const s32 sum = run_chains(
      steps, [](int i) __attribute__((always_inline)) { return set1(i); },
      [&](s32 chain) __attribute__((always_inline)) {
        forget(left);
        s32 sum = dot(chain, left, right);
        forget(sum);
        return sum;
      },
      [](s32 a, s32 b) __attribute__((always_inline)) { return add(a, b); },
      std::make_integer_sequence<int, chains>());
  sink[0] = static_cast<float>(small_sum_of_lanes(sum));
  return steps * chains * s32_lanes * group * 2;
}

}  // namespace espalier::ESPALIER_ISA
