// Resources (scripts/checks/cuda_resources):
//   quantize_kernel    24  0  256  1.00
//   dequantize_kernel  24  0  256  1.00
#include "kernels/quantize/quantize_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class To>
__global__ void quantize_kernel(const float* x, To* y, int64_t count, float inverse_scale,
                                int zero_point) {
  const int64_t i = element_index();
  if (i < count) y[i] = quantized<To>(x[i], inverse_scale, zero_point);
}

template <class From>
__global__ void dequantize_kernel(const From* x, float* y, int64_t count, float scale,
                                  int zero_point) {
  const int64_t i = element_index();
  if (i < count) y[i] = dequantized(x[i], scale, zero_point);
}

}  // namespace

#define ESPALIER_QUANTIZE(T)                                                                   \
  void quantize(const float* x, T* y, int64_t count, float inverse_scale,                      \
                int zero_point) noexcept {                                                     \
    launch(quantize_kernel<T>, elements_grid(count), x, y, count, inverse_scale, zero_point);  \
  }                                                                                            \
  void dequantize(const T* x, float* y, int64_t count, float scale, int zero_point) noexcept { \
    launch(dequantize_kernel<T>, elements_grid(count), x, y, count, scale, zero_point);        \
  }
ESPALIER_QUANTIZE(int8_t)
ESPALIER_QUANTIZE(int16_t)
#undef ESPALIER_QUANTIZE

}  // namespace espalier::cuda
