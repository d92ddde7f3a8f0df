// One code of a weight that is not packed yet, as whoever packs it and a GPU read it.
#pragma once

#include "kernels/linear_wq/linear_wq.h"

namespace espalier {

// Of value k of an output channel whose codes start at `channel`: 8 bits are a signed byte; of 4
// bits, the code of an even k plus 8 lies in the low half of a byte and that of the next k,
// likewise, in its high half.
ESPALIER_ANYWHERE inline int linear_wq_code(int bits, const uint8_t* channel, int64_t k) noexcept {
  if (bits == 8) return static_cast<int8_t>(channel[k]);
  return (channel[k / 2] >> (k % 2 * 4) & 15) - linear_wq_middle(4);
}

}  // namespace espalier
