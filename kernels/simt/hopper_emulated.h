// The names of kernels/simt/hopper.h on the host.
#pragma once

#include <cstdint>

#include "kernels/simt/emulator.h"

#define ESPALIER_HOPPER 1

namespace espalier::simt {

void barrier_init(uint32_t address, unsigned arrivals);
inline void barriers_ready() {}
void barrier_arrive(uint32_t address);
void barrier_arrive_expecting(uint32_t address, unsigned bytes);
void barrier_wait(uint32_t address, unsigned parity);

struct TensorMap {
  const unsigned char* data;
  unsigned element;  // bytes
  int64_t columns, rows, row_stride;
  unsigned box_rows;
};
bool make_tensor_map(TensorMap& map, const void* data, unsigned element, int64_t columns,
                     int64_t rows, int64_t row_stride, unsigned box_rows);
void load_box(uint32_t to, const TensorMap& map, int64_t column, int64_t row, uint32_t barrier);

void wgmma_begin();
void wgmma_m64n256k16_bf16(float (&d)[128], uint64_t a, uint64_t b, bool accumulate);
void wgmma_m64n256k16_f16(float (&d)[128], uint64_t a, uint64_t b, bool accumulate);
void wgmma_m64n256k32_s8(int32_t (&d)[128], uint64_t a, uint64_t b, bool accumulate);
void wgmma_commit();
void end_products(unsigned groups_left);

template <unsigned left, class Sum>
inline void wgmma_wait(Sum (&)[128]) {
  end_products(left);
}

template <unsigned>
inline void take_registers() {}
template <unsigned>
inline void give_registers() {}

inline bool is_hopper() { return true; }
// Few, so that each of a small grid has more than one thing to do.
inline unsigned multiprocessors() { return 3; }

}  // namespace espalier::simt
