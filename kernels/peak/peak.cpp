#include "kernels/peak/peak.h"

namespace espalier {
namespace {

int64_t peak_scalar(float factor, int64_t steps, float* sink) noexcept {
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

std::span<const KernelRow<Peak>> peak_f32_kernels() noexcept {
  static constexpr KernelRow<Peak> rows[] = {ESPALIER_ISA_ROWS(peak_f32){Isa::scalar, peak_scalar}};
  return rows;
}

std::span<const KernelRow<Peak>> peak_bf16_kernels() noexcept {
  static constexpr KernelRow<Peak> rows[] = {
      ESPALIER_IF_AMX({Isa::amx, amx::peak_bf16}, )
          ESPALIER_IF_AVX512BF16({Isa::avx512bf16, avx512bf16::peak_bf16}, )
              ESPALIER_ISA_ROWS(peak_f32){Isa::scalar, peak_scalar}};
  return rows;
}

}  // namespace espalier
