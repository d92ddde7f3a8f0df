// What sm_90a has beyond kernels/simt/matrix.h: tensor cores that warpgroups of 128 threads feed
// from shared memory, and copies of whole boxes of it that report to barriers there.
//
// Only code under ESPALIER_HOPPER may call any of it: kernels are compiled for other GPUs too.
//
//   barriers in shared memory, 8 bytes each: barrier_init(address, arrivals) by one thread, then
//       barriers_ready() and a sync_block(); barrier_arrive(address);
//       barrier_arrive_expecting(address, bytes) waits for so many bytes of copies too;
//       barrier_wait(address, parity) until the phase of that parity, of which the first is 0, is
//       over.
//   TensorMap, make_tensor_map(map, data, element, columns, rows, row_stride, box_rows)
//       A matrix in global memory, elements of 1 or 2 bytes, row_stride bytes from row to row and
//       data on boundaries of 16, as boxes of box_rows rows of 128 bytes. On the host; false where
//       the driver takes none.
//   load_box(to, map, column, row, barrier)
//       One box from there on, zeros outside the matrix, and its bytes to the barrier's count. `to`
//       is a multiple of 1024, and chunk c of 16 bytes of row r comes to lie in place c ^ (r % 8).
//   wgmma_m64n256k16_bf16, wgmma_m64n256k16_f16, wgmma_m64n256k32_s8 (d, a, b, accumulate)
//       D (+)= A B for A [64, K] and B [256, K] in shared memory, by descriptors. Thread i of the
//       warpgroup holds in d[r]
//         D[i / 32 * 16 + i % 32 / 4 + r / 2 % 2 * 8, r / 4 * 8 + i % 4 * 2 + r % 2]
//       and may touch it again after the wait.
//   wgmma_descriptor(address)
//       Rows of 128 bytes as load_box leaves them. K takes 32 bytes: add wgmma_step for those that
//       follow.
//   wgmma_begin() before the first of some products, wgmma_commit() behind the last;
//   wgmma_wait<n>(d) until at most n such groups are under way
//   take_registers<n>(), give_registers<n>()
//       The warpgroup's threads may have n registers each from here on.
#pragma once

#include "kernels/simt/matrix.h"

#if defined(__CUDACC__)
#include "kernels/simt/hopper_cuda.h"
#else
#include "kernels/simt/hopper_emulated.h"
#endif

namespace espalier::simt {

constexpr unsigned warpgroup_size = 4 * warp_size;

// PTX ISA, "Matrix descriptor": addresses and steps in units of 16 bytes; groups of 8 rows are 1024
// bytes apart, and swizzles are those of 128 bytes.
constexpr uint64_t wgmma_step = 32 >> 4;
__device__ inline uint64_t wgmma_descriptor(uint32_t address) {
  constexpr uint64_t between_groups = 1024 >> 4, swizzle_128 = 1;
  return (address & 0x3ffff) >> 4 | uint64_t{1} << 16 | between_groups << 32 | swizzle_128 << 62;
}

}  // namespace espalier::simt
