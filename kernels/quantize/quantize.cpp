#include "kernels/quantize/quantize_scalar.h"

namespace espalier {
namespace {

template <class To>
void quantize_scalar(const float* x, To* y, int64_t count, float inverse_scale,
                     int zero_point) noexcept {
  for (int64_t i = 0; i < count; ++i) y[i] = quantized<To>(x[i], inverse_scale, zero_point);
}

template <class From>
void dequantize_scalar(const From* x, float* y, int64_t count, float scale,
                       int zero_point) noexcept {
  for (int64_t i = 0; i < count; ++i) y[i] = dequantized(x[i], scale, zero_point);
}

#define ESPALIER_QUANTIZE_S8(isa) {Isa::isa, isa::quantize_s8},
#define ESPALIER_QUANTIZE_S16(isa) {Isa::isa, isa::quantize_s16},
#define ESPALIER_DEQUANTIZE_S8(isa) {Isa::isa, isa::dequantize_s8},
#define ESPALIER_DEQUANTIZE_S16(isa) {Isa::isa, isa::dequantize_s16},

}  // namespace

template <>
std::span<const KernelRow<Quantize<int8_t>>> quantize_kernels() noexcept {
  static constexpr KernelRow<Quantize<int8_t>> rows[] = {ESPALIER_EACH_DOT_ISA(
      ESPALIER_QUANTIZE_S8) ESPALIER_CUDA_ROW(quantize){Isa::scalar, quantize_scalar<int8_t>}};
  return rows;
}

template <>
std::span<const KernelRow<Quantize<int16_t>>> quantize_kernels() noexcept {
  static constexpr KernelRow<Quantize<int16_t>> rows[] = {ESPALIER_EACH_DOT_ISA(
      ESPALIER_QUANTIZE_S16) ESPALIER_CUDA_ROW(quantize){Isa::scalar, quantize_scalar<int16_t>}};
  return rows;
}

template <>
std::span<const KernelRow<Dequantize<int8_t>>> dequantize_kernels() noexcept {
  static constexpr KernelRow<Dequantize<int8_t>> rows[] = {
      ESPALIER_EACH_DOT_ISA(ESPALIER_DEQUANTIZE_S8)
          ESPALIER_CUDA_ROW(dequantize){Isa::scalar, dequantize_scalar<int8_t>}};
  return rows;
}

template <>
std::span<const KernelRow<Dequantize<int16_t>>> dequantize_kernels() noexcept {
  static constexpr KernelRow<Dequantize<int16_t>> rows[] = {
      ESPALIER_EACH_DOT_ISA(ESPALIER_DEQUANTIZE_S16)
          ESPALIER_CUDA_ROW(dequantize){Isa::scalar, dequantize_scalar<int16_t>}};
  return rows;
}

}  // namespace espalier
