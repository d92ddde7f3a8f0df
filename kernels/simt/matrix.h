// Tensor cores and asynchronous copies (sm_80 and later): the part of the vocabulary that matrix
// products need beside kernels/simt/simt.h.
//
// Every lane of a warp takes part in mma_... and ldmatrix, which are collectives.
//
//   mma_m16n8k16_bf16, mma_m16n8k16_f16, mma_m16n8k8_tf32, mma_m16n8k32_s8 (d, a, b)
//       D += A B for A [16, K], B [K, 8], D [16, 8]. With p elements in a register of 32 bits, lane
//       4 g + t holds
//         a[r], i   A[g + 8 (r % 2), p t + 4 p (r / 2) + i]
//         b[r], i   B[p t + 4 p r + i, g]
//         d[r]      D[g + 8 (r / 2), 2 t + r % 2]
//       Sums of s8 are exact and wrap at 32 bits. A GPU adds up products of floats in an order and
//       with a rounding of its own; the emulator rounds once, after all of them.
//   round_to_tf32(x)
//       The bits of the nearest value with 10 bits of mantissa, ties away from zero. Tensor cores
//       read no further bits.
//   round_to_bf16(x), round_to_f16(x)
//       The nearest value, ties to even; a NaN stays one.
//   ldmatrix(r, address), ldmatrix_trans(r, address)
//       1, 2 or 4 matrices of 8 rows of 16 bytes, as many as r has registers: lane 8 j + i says
//       where row i of matrix j starts, a multiple of 16 (lanes past the last matrix are not
//       asked). Lane 4 g + t gets elements 2 t and 2 t + 1 of row g, counted in 16 bits; with
//       _trans element g of rows 2 t and 2 t + 1.
//   copy_async<bytes>(to, from, present)
//       4, 8 or 16 bytes from global to shared memory, both on a multiple of `bytes`; after the
//       first `present` come zeros, and what lies there in global memory is not read. The bytes are
//       there for the thread that asked when its wait is over, and for others after a barrier then.
//   commit_copies(), wait_for_copies<n>()
//       Closes a group of the thread's copies; waits until at most n groups are still under way.
//
// Addresses are shared_address()es.
#pragma once

#include <type_traits>

#include "kernels/half.h"
#include "kernels/simt/simt.h"

#if defined(__CUDACC__)
#include "kernels/simt/matrix_cuda.h"
#else
#include "kernels/simt/matrix_emulated.h"
#endif

namespace espalier::simt {

// `x` as an element of To, rounded where that holds less.
template <class To, class From>
__device__ inline To rounded_to(From x) {
  if constexpr (std::is_same_v<To, From>)
    return x;
  else if constexpr (std::is_same_v<To, BFloat16>)
    return round_to_bf16(x);
  else
    return round_to_f16(x);
}

}  // namespace espalier::simt
