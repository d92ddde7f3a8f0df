#include "kernels/peak_s8/peak_s8.h"

namespace espalier {
namespace {

// Sums in unsigned, which may wrap around.
int64_t peak_s8_scalar(float factor, int64_t steps, float* sink) noexcept {
  constexpr uint32_t chains = 4;  // a sum takes one cycle, and so does each product
  uint32_t chain[chains], left = static_cast<uint32_t>(factor), right = 1;
  for (uint32_t i = 0; i < chains; ++i) chain[i] = i;
  for (int64_t s = 0; s < steps; ++s)
    for (uint32_t& sum : chain) {
      // The compiler may not know that all products are the same one.
      __asm__ volatile("" : "+r"(left), "+r"(right));
      sum += left * right;
    }
  sink[0] = 0;
  for (uint32_t sum : chain) sink[0] += static_cast<float>(sum);
  return steps * chains * 2;
}

#define ESPALIER_PEAK_S8_ROW(isa) {Isa::isa, isa::peak_s8},

}  // namespace

std::span<const KernelRow<Peak>> peak_s8_kernels() noexcept {
  static constexpr KernelRow<Peak> rows[] = {ESPALIER_IF_AMX(ESPALIER_PEAK_S8_ROW(
      amx)) ESPALIER_EACH_DOT_ISA(ESPALIER_PEAK_S8_ROW){Isa::scalar, peak_s8_scalar}};
  return rows;
}

}  // namespace espalier
