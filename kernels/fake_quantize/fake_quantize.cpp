#include "kernels/fake_quantize/fake_quantize_scalar.h"

namespace espalier {
namespace {

template <class T>
void fake_quantize_forward_scalar(const T* x, T* y, int64_t rows, int64_t width,
                                  const CodeSteps<T>& s) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    const T scale = s.of_row(r), inverse = 1 / scale;
    for (int64_t i = 0; i < width; ++i) y[i] = fake_quantized(x[i], scale, inverse, s);
  }
}

template <class T>
void fake_quantize_backward_scalar(const T* x, const T* y, const T* dy, T* dx, T* shares,
                                   int64_t rows, int64_t width, const CodeSteps<T>& s) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += width, y += width, dy += width, dx += width) {
    const T inverse = 1 / s.of_row(r);
    T share = 0;
    for (int64_t i = 0; i < width; ++i)
      dx[i] = fake_quantize_slope(x[i], y[i], dy[i], inverse, s, share);
    shares[r] = share;
  }
}

template <class T, class From>
void fake_quantize_codes_scalar(const From* codes, T* y, int64_t rows, int64_t width,
                                int zero_point, const CodeSteps<T>& s) noexcept {
  for (int64_t r = 0; r < rows; ++r, codes += width, y += width) {
    const T scale = s.of_row(r);
    for (int64_t i = 0; i < width; ++i) y[i] = value_of_code(codes[i], scale, zero_point);
  }
}

}  // namespace

template <>
std::span<const KernelRow<FakeQuantizeForward<float>>> fake_quantize_forward_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeForward<float>> rows[] = {
      ESPALIER_CUDA_ROW(fake_quantize_forward) ESPALIER_ISA_ROWS(fake_quantize_forward){
          Isa::scalar, fake_quantize_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<FakeQuantizeForward<double>>> fake_quantize_forward_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(fake_quantize_forward){Isa::scalar, fake_quantize_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<FakeQuantizeBackward<float>>> fake_quantize_backward_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeBackward<float>> rows[] = {
      ESPALIER_CUDA_ROW(fake_quantize_backward) ESPALIER_ISA_ROWS(fake_quantize_backward){
          Isa::scalar, fake_quantize_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<FakeQuantizeBackward<double>>> fake_quantize_backward_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeBackward<double>> rows[] = {ESPALIER_CUDA_ROW(
      fake_quantize_backward){Isa::scalar, fake_quantize_backward_scalar<double>}};
  return rows;
}

template <class T, class From>
std::span<const KernelRow<FakeQuantizeCodes<T, From>>> fake_quantize_codes_kernels() noexcept {
  static constexpr KernelRow<FakeQuantizeCodes<T, From>> rows[] = {
      ESPALIER_CUDA_ROW(fake_quantize_codes){Isa::scalar, fake_quantize_codes_scalar<T, From>}};
  return rows;
}
template std::span<const KernelRow<FakeQuantizeCodes<float, int8_t>>>
fake_quantize_codes_kernels() noexcept;
template std::span<const KernelRow<FakeQuantizeCodes<float, int16_t>>>
fake_quantize_codes_kernels() noexcept;
template std::span<const KernelRow<FakeQuantizeCodes<double, int8_t>>>
fake_quantize_codes_kernels() noexcept;
template std::span<const KernelRow<FakeQuantizeCodes<double, int16_t>>>
fake_quantize_codes_kernels() noexcept;

}  // namespace espalier
