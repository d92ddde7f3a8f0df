// Resources (scripts/checks/cuda_resources):
//   forward_kernel   24    0  256  1.00
//   backward_kernel  48  256  256  0.62
//   codes_kernel     24    0  256  1.00
#include "kernels/fake_quantize/fake_quantize_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void forward_kernel(const T* x, T* y, int64_t count, int64_t width, CodeSteps<T> steps) {
  const int64_t i = element_index();
  if (i >= count) return;
  const T scale = steps.of_row(i / width);
  y[i] = fake_quantized(x[i], scale, 1 / scale, steps);
}

template <class T>
struct Slots {
  T values[warp_size];
};

// A block a row: where all values have one scale, they are one row.
template <class T>
__global__ void backward_kernel(const T* x, const T* y, const T* dy, T* dx, T* shares,
                                int64_t width, CodeSteps<T> steps) {
  const int64_t r = blockIdx.x, first = r * width;
  const T inverse = 1 / steps.of_row(r);
  T share = 0;
  for (int64_t i = first + threadIdx.x; i < first + width; i += element_threads)
    dx[i] = fake_quantize_slope(x[i], y[i], dy[i], inverse, steps, share);
  share = block_reduce(share, T(0), shared_memory<Slots<T>>().values, Add());
  if (threadIdx.x == 0) shares[r] = share;
}

template <class T, class From>
__global__ void codes_kernel(const From* codes, T* y, int64_t count, int64_t width, int zero_point,
                             CodeSteps<T> steps) {
  const int64_t i = element_index();
  if (i < count) y[i] = value_of_code(codes[i], steps.of_row(i / width), zero_point);
}

}  // namespace

#define ESPALIER_FAKE_QUANTIZE(T)                                                                  \
  void fake_quantize_forward(const T* x, T* y, int64_t rows, int64_t width,                        \
                             const CodeSteps<T>& steps) noexcept {                                 \
    launch(forward_kernel<T>, elements_grid(rows* width), x, y, rows* width, width, steps);        \
  }                                                                                                \
  void fake_quantize_backward(const T* x, const T* y, const T* dy, T* dx, T* shares, int64_t rows, \
                              int64_t width, const CodeSteps<T>& steps) noexcept {                 \
    launch(backward_kernel<T>,                                                                     \
           {.blocks_x = static_cast<unsigned>(rows), .threads = element_threads}, x, y, dy, dx,    \
           shares, width, steps);                                                                  \
  }
ESPALIER_FAKE_QUANTIZE(float)
ESPALIER_FAKE_QUANTIZE(double)
#undef ESPALIER_FAKE_QUANTIZE

#define ESPALIER_FAKE_QUANTIZE_CODES(T, From)                                                    \
  void fake_quantize_codes(const From* codes, T* y, int64_t rows, int64_t width, int zero_point, \
                           const CodeSteps<T>& steps) noexcept {                                 \
    launch(codes_kernel<T, From>, elements_grid(rows* width), codes, y, rows* width, width,      \
           zero_point, steps);                                                                   \
  }
ESPALIER_FAKE_QUANTIZE_CODES(float, int8_t)
ESPALIER_FAKE_QUANTIZE_CODES(float, int16_t)
ESPALIER_FAKE_QUANTIZE_CODES(double, int8_t)
ESPALIER_FAKE_QUANTIZE_CODES(double, int16_t)
#undef ESPALIER_FAKE_QUANTIZE_CODES

}  // namespace espalier::cuda
