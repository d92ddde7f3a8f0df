#include "kernels/linear_dynamic/linear_dynamic_scalar.h"

namespace espalier {
namespace {

void put(const int32_t* sums, const float* channel, float row, const float* bias, bool accumulate,
         int64_t N, float* y) noexcept {
  for (int64_t n = 0; n < N; ++n) {
    const float value = linear_dynamic_value(sums[n], channel[n], row, bias ? bias + n : nullptr);
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
