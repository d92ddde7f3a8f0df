#include "kernels/linear_wq/linear_wq.h"

namespace espalier {
namespace {

void widen(int bits, const uint8_t* codes, const float* scales, int64_t K, int64_t width,
           float* to) noexcept {
  const int in_byte = 8 / bits;
  for (int64_t n = 0; n < width; ++n)
    for (int64_t k = 0; k < K; ++k) {
      const int byte = codes[k / in_byte * width + n];
      const int code = byte >> (k % in_byte * bits) & ((1 << bits) - 1);
      to[k * width + n] = static_cast<float>(code - linear_wq_middle(bits)) * scales[n];
    }
}

}  // namespace

std::span<const KernelRow<LinearWqWiden>> linear_wq_kernels() noexcept {
  static constexpr KernelRow<LinearWqWiden> rows[] = {
      ESPALIER_ISA_ROWS(linear_wq_widen){Isa::scalar, widen}};
  return rows;
}

}  // namespace espalier
