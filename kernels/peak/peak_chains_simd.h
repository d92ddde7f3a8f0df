// Chains of registers, of whatever type and instruction.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/rows.h"

namespace espalier::ESPALIER_ISA {

// The sum of the chains i, which began as start(i) and were put through `step` so many times. They
// are named by a parameter pack, not a loop, so that each becomes a register.
template <class Start, class Step, class Add, int... i>
ESPALIER_INLINE auto run_chains(int64_t steps, Start start, Step step, Add add,
                                std::integer_sequence<int, i...>) {
  decltype(start(0)) chain[] = {start(i)...};
  for (int64_t s = 0; s < steps; ++s) ((chain[i] = step(chain[i])), ...);
  auto sum = start(0);
  ((sum = add(sum, chain[i])), ...);
  return sum;
}

}  // namespace espalier::ESPALIER_ISA
