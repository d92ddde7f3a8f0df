// Tensor cores and asynchronous copies on the host, by the names of kernels/simt/matrix.h.
#pragma once

#include <cstdint>

#include "kernels/cast/cast.h"
#include "kernels/simt/emulator.h"

namespace espalier::simt {

void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void mma_m16n8k16_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void mma_m16n8k32_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
uint32_t round_to_tf32(float value);
inline BFloat16 round_to_bf16(float value) { return cast_detail::to_bfloat16(value); }
inline Float16 round_to_f16(float value) { return cast_detail::to_float16(value); }

// `count` matrices, a register of `r` each.
void load_matrices(uint32_t* r, unsigned count, uint32_t address, bool transposed);

template <size_t count>
inline void ldmatrix(uint32_t (&r)[count], uint32_t address) {
  static_assert(count == 1 || count == 2 || count == 4);
  load_matrices(r, count, address, false);
}
template <size_t count>
inline void ldmatrix_trans(uint32_t (&r)[count], uint32_t address) {
  static_assert(count == 1 || count == 2 || count == 4);
  load_matrices(r, count, address, true);
}

void start_copy(uint32_t to, const void* from, unsigned bytes, unsigned present);
void commit_copies();
void end_copies(unsigned groups_left);

template <unsigned bytes>
inline void copy_async(uint32_t to, const void* from, unsigned present) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
  start_copy(to, from, bytes, present);
}
template <unsigned left>
inline void wait_for_copies() {
  end_copies(left);
}

}  // namespace espalier::simt
