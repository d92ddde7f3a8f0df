// Where the operands of one product of a batch lie: kernels/gemm_f32/gemm_f32.h in kernels.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {

inline int64_t count_of(const GemmRepeats& repeats) {
  int64_t count = 1;
  for (int d = 0; d < repeats.rank; ++d) count *= repeats.dimensions[d].count;
  return count;
}

struct GemmOffsets {
  int64_t a = 0, b = 0, c = 0;

  __device__ GemmOffsets(const GemmRepeats& repeats, int64_t index) {
    for (int d = repeats.rank - 1; d >= 0; --d) {
      const auto& dimension = repeats.dimensions[d];
      const int64_t i = index % dimension.count;
      index /= dimension.count;
      a += i * dimension.a, b += i * dimension.b, c += i * dimension.c;
    }
  }
};

// Rows of A, or columns of B, as the skeletons of products read them element by element. Whatever
// has these three functions can take its place.
template <class T>
struct GemmOperand {
  const T* data;
  int64_t row_stride, k_stride;

  // Whether neighbours in k are neighbours in memory.
  __device__ bool along_k() const { return k_stride == 1; }
  // What lies `offset` elements, `row` rows and `k` values of k further on.
  __device__ GemmOperand from(int64_t offset, int64_t row, int64_t k) const {
    return {data + offset + row * row_stride + k * k_stride, row_stride, k_stride};
  }
  __device__ T read(int64_t row, int64_t k) const { return data[row * row_stride + k * k_stride]; }
};

}  // namespace espalier::cuda
