#include "kernels/peak/peak.h"

namespace espalier {
namespace {

int64_t peak_multiply_add_scalar(float factor, int64_t steps, float* sink) noexcept {
  constexpr int chains = 48;  // the compiler packs them into registers of the base instruction set
  float chain[chains];
  for (int i = 0; i < chains; ++i) chain[i] = static_cast<float>(i);
  for (int64_t s = 0; s < steps; ++s)
    for (int i = 0; i < chains; ++i) chain[i] = chain[i] * factor + chain[i];
  sink[0] = 0;
  for (int i = 0; i < chains; ++i) sink[0] += chain[i];
  return steps * chains * 2;
}

}  // namespace

std::span<const KernelRow<PeakMultiplyAdd>> peak_kernels() noexcept {
  static constexpr KernelRow<PeakMultiplyAdd> rows[] = {
      ESPALIER_ISA_ROWS(peak_multiply_add){Isa::scalar, peak_multiply_add_scalar}};
  return rows;
}

}  // namespace espalier
