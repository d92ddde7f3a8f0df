#include "kernels/linear_dynamic/linear_dynamic.h"

namespace espalier {
namespace {

void put(const int32_t* sums, const float* channel, float row, const float* bias, bool accumulate,
         int64_t N, float* y) noexcept {
  for (int64_t n = 0; n < N; ++n) {
    float value = static_cast<float>(sums[n]) * channel[n] * row;
    if (bias) value += bias[n];
    y[n] = accumulate ? y[n] + value : value;
  }
}

}  // namespace

std::span<const KernelRow<LinearDynamicPut>> linear_dynamic_kernels() noexcept {
  static constexpr KernelRow<LinearDynamicPut> rows[] = {
      ESPALIER_ISA_ROWS(linear_dynamic_put){Isa::scalar, put}};
  return rows;
}

}  // namespace espalier
