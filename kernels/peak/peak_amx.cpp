// The peak_bf16 row for amx.
#include "kernels/peak/peak_tiles_simd.h"

namespace espalier::ESPALIER_ISA {

int64_t peak_bf16(float factor, int64_t steps, float* sink) noexcept {
  uint32_t bits;
  std::memcpy(&bits, &factor, sizeof bits);
  constexpr uint16_t one = 0x3f80;
  return run_tile_chains<DotBf16, float>(static_cast<uint16_t>(bits >> 16), one, 32, steps, sink);
}

}  // namespace espalier::ESPALIER_ISA
