#include "kernels/embedding/embedding.h"

#include <algorithm>

namespace espalier {
namespace {

template <class T>
void embedding_forward_scalar(const int64_t* rows, const T* weight, T* y, int64_t count,
                              int64_t width) noexcept {
  for (int64_t i = 0; i < count; ++i) std::copy_n(weight + rows[i] * width, width, y + i * width);
}

template <class T>
void embedding_backward_scalar(const int64_t* rows, const T* dy, T* dweight, int64_t count,
                               int64_t columns, int64_t width, int64_t) noexcept {
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < columns; ++j) dweight[rows[i] * width + j] += dy[i * width + j];
}

}  // namespace

#define ESPALIER_EMBEDDING_ROWS(T)                                                         \
  template <>                                                                              \
  std::span<const KernelRow<EmbeddingForward<T>>> embedding_forward_kernels() noexcept {   \
    static constexpr KernelRow<EmbeddingForward<T>> rows[] = {                             \
        ESPALIER_CUDA_ROW(embedding_forward){Isa::scalar, embedding_forward_scalar<T>}};   \
    return rows;                                                                           \
  }                                                                                        \
  template <>                                                                              \
  std::span<const KernelRow<EmbeddingBackward<T>>> embedding_backward_kernels() noexcept { \
    static constexpr KernelRow<EmbeddingBackward<T>> rows[] = {                            \
        ESPALIER_CUDA_ROW(embedding_backward){Isa::scalar, embedding_backward_scalar<T>}}; \
    return rows;                                                                           \
  }
ESPALIER_EMBEDDING_ROWS(float)
ESPALIER_EMBEDDING_ROWS(double)
#undef ESPALIER_EMBEDDING_ROWS

}  // namespace espalier
