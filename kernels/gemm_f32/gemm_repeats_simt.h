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

}  // namespace espalier::cuda
