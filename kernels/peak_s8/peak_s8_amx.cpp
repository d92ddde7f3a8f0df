// The peak_s8 row for amx.
#include "kernels/peak/peak_tiles_simd.h"
#include "kernels/peak_s8/peak_s8.h"

namespace espalier::ESPALIER_ISA {

int64_t peak_s8(float factor, int64_t steps, float* sink) noexcept {
  return run_tile_chains<DotU8S8, int32_t>(static_cast<uint8_t>(factor), int8_t{1}, 64, steps,
                                           sink);
}

}  // namespace espalier::ESPALIER_ISA
