// Resources (scripts/checks/cuda_resources):
//   elements_kernel  16  0  256  1.00
//   rows_kernel      16  0  256  1.00
#include "kernels/dropout/dropout.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void elements_kernel(const T* x, const uint8_t* keep, T scale, T* y, int64_t count) {
  const int64_t i = element_index();
  if (i < count) y[i] = keep[i] ? scale * x[i] : T(0);
}

template <class T>
__global__ void rows_kernel(const T* x, const uint8_t* keep, T scale, T* y, int64_t count,
                            int64_t width) {
  const int64_t i = element_index();
  if (i < count) y[i] = keep[i / width] ? scale * x[i] : T(0);
}

}  // namespace

void dropout_elements(const float* x, const uint8_t* keep, float scale, float* y,
                      int64_t count) noexcept {
  launch(elements_kernel<float>, elements_grid(count), x, keep, scale, y, count);
}
void dropout_elements(const double* x, const uint8_t* keep, double scale, double* y,
                      int64_t count) noexcept {
  launch(elements_kernel<double>, elements_grid(count), x, keep, scale, y, count);
}
void dropout_rows(const float* x, const uint8_t* keep, float scale, float* y, int64_t rows,
                  int64_t width) noexcept {
  const int64_t count = rows * width;
  launch(rows_kernel<float>, elements_grid(count), x, keep, scale, y, count, width);
}
void dropout_rows(const double* x, const uint8_t* keep, double scale, double* y, int64_t rows,
                  int64_t width) noexcept {
  const int64_t count = rows * width;
  launch(rows_kernel<double>, elements_grid(count), x, keep, scale, y, count, width);
}

}  // namespace espalier::cuda
