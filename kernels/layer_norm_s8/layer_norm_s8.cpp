#include "kernels/layer_norm_s8/layer_norm_s8.h"

#include "kernels/round_within.h"

namespace espalier {
namespace {

void layer_norm_s8_scalar(const int16_t* x, const float* gamma, const float* beta, int8_t* y,
                          int64_t rows, int64_t width, float eps) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < width; ++i) sum += x[i], squares += int64_t{x[i]} * x[i];
    const int64_t variance = width * squares - sum * sum;
    const float rstd =
        1 / std::sqrt(static_cast<float>(variance) / static_cast<float>(width * width) + eps);
    const float shift = -(static_cast<float>(sum) / static_cast<float>(width)) * rstd;
    for (int64_t i = 0; i < width; ++i) {
      const float normalised = std::fma(static_cast<float>(x[i]), rstd, shift);
      y[i] = static_cast<int8_t>(
          round_within(std::fma(normalised, gamma[i], beta[i]), -128.0f, 127.0f));
    }
  }
}

#define ESPALIER_LAYER_NORM_S8_ROW(isa) {Isa::isa, isa::layer_norm_s8},

}  // namespace

std::span<const KernelRow<LayerNormS8>> layer_norm_s8_kernels() noexcept {
  static constexpr KernelRow<LayerNormS8> rows[] = {
      ESPALIER_EACH_DOT_ISA(ESPALIER_LAYER_NORM_S8_ROW){Isa::scalar, layer_norm_s8_scalar}};
  return rows;
}

}  // namespace espalier
