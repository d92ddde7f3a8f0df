#include "kernels/layer_norm_s8/layer_norm_s8_scalar.h"

namespace espalier {
namespace {

void layer_norm_s8_scalar(const int16_t* x, const float* gamma, const float* beta, int8_t* y,
                          int64_t rows, int64_t width, float eps) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < width; ++i) sum += x[i], squares += int64_t{x[i]} * x[i];
    const LayerNormS8Row row(sum, squares, width, eps);
    for (int64_t i = 0; i < width; ++i) y[i] = row.code(x[i], gamma[i], beta[i]);
  }
}

#define ESPALIER_LAYER_NORM_S8_ROW(isa) {Isa::isa, isa::layer_norm_s8},

}  // namespace

std::span<const KernelRow<LayerNormS8>> layer_norm_s8_kernels() noexcept {
  static constexpr KernelRow<LayerNormS8> rows[] = {
      ESPALIER_EACH_DOT_ISA(ESPALIER_LAYER_NORM_S8_ROW)
          ESPALIER_CUDA_ROW(layer_norm_s8){Isa::scalar, layer_norm_s8_scalar}};
  return rows;
}

}  // namespace espalier
