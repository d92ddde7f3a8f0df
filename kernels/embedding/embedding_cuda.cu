// Resources (scripts/checks/cuda_resources):
//   forward_kernel   16  0  256  1.00
//   backward_kernel  48  0  128  0.62
#include "kernels/embedding/embedding.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void forward_kernel(const int64_t* rows, const T* weight, T* y, int64_t count,
                               int64_t width) {
  const int64_t i = element_index();
  if (i < count) y[i] = weight[rows[i / width] * width + i % width];
}

// A warp an entry: it looks through all indices for its own, so that sums run in their order.
template <class T>
__global__ void backward_kernel(const int64_t* rows, const T* dy, T* dweight, int64_t count,
                                int64_t columns, int64_t width, int64_t entries) {
  const int64_t entry = row_index();
  if (entry >= entries) return;
  for (int64_t j = lane_id(); j < columns; j += warp_size) {
    T sum = dweight[entry * width + j];
    for (int64_t i = 0; i < count; ++i)
      if (rows[i] == entry) sum += dy[i * width + j];
    dweight[entry * width + j] = sum;
  }
}

}  // namespace

#define ESPALIER_EMBEDDING(T)                                                                     \
  void embedding_forward(const int64_t* rows, const T* weight, T* y, int64_t count,               \
                         int64_t width) noexcept {                                                \
    launch(forward_kernel<T>, elements_grid(count* width), rows, weight, y, count* width, width); \
  }                                                                                               \
  void embedding_backward(const int64_t* rows, const T* dy, T* dweight, int64_t count,            \
                          int64_t columns, int64_t width, int64_t entries) noexcept {             \
    launch(backward_kernel<T>, rows_grid(entries), rows, dy, dweight, count, columns, width,      \
           entries);                                                                              \
  }
ESPALIER_EMBEDDING(float)
ESPALIER_EMBEDDING(double)
#undef ESPALIER_EMBEDDING

}  // namespace espalier::cuda
