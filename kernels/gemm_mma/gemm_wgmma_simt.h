// Products on the tensor cores of sm_90a, which read shared memory themselves: the skeleton of
// kernels/gemm_mma/gemm_mma_simt.h where matrices are large.
//
// Of a block's three warpgroups one has a thread that loads slices of 128 bytes of k, box by box,
// into `stages` places; the other two multiply them, each half the rows of a tile of 128 x 256. Per
// stage one barrier says that it is full, and one that all warps which multiply are done with it.
// Blocks stay, and take every gridDim.x'th tile, so that slices of the next are loaded while the
// sums of one are put away.
#pragma once

#include "kernels/gemm_mma/gemm_mma_simt.h"
#include "kernels/simt/hopper.h"

namespace espalier::cuda {

namespace wgmma {

constexpr unsigned stages = 4, warpgroups = 2;  // that multiply
constexpr unsigned own_rows = 64, rows = own_rows * warpgroups, columns = 256;
constexpr unsigned a_bytes = rows * mma_row, stage_bytes = a_bytes + columns * mma_row;
constexpr unsigned barrier_bytes = 8, shared_bytes = stages * (stage_bytes + 2 * barrier_bytes);
constexpr unsigned threads = simt::warpgroup_size * (1 + warpgroups);
// 168 for each of a block's threads, which the one that loads has little use for.
constexpr unsigned registers_to_load = 40, registers_to_multiply = 232;

}  // namespace wgmma

// The instruction for each type of kernels/gemm_mma/gemm_mma_simt.h.
template <class Type>
__device__ inline void wgmma_product(typename Type::Sum (&d)[128], uint64_t a, uint64_t b,
                                     bool accumulate) {
  if constexpr (std::is_same_v<Type, MmaBf16>)
    simt::wgmma_m64n256k16_bf16(d, a, b, accumulate);
  else if constexpr (std::is_same_v<Type, MmaF16>)
    simt::wgmma_m64n256k16_f16(d, a, b, accumulate);
  else
    simt::wgmma_m64n256k32_s8(d, a, b, accumulate);
}

struct WgmmaShape {
  int64_t M, N, K;

  __host__ __device__ int64_t down() const { return (M + wgmma::rows - 1) / wgmma::rows; }
  __host__ __device__ int64_t across() const { return (N + wgmma::columns - 1) / wgmma::columns; }
};

// Where the stages and their barriers lie, and whose turn it is: step i of a block uses stage
// i % stages for the i / stages'th time.
struct WgmmaStages {
  uint32_t start;

  __device__ uint32_t a(unsigned step) const {
    return start + step % wgmma::stages * wgmma::stage_bytes;
  }
  __device__ uint32_t b(unsigned step) const { return a(step) + wgmma::a_bytes; }
  __device__ uint32_t full(unsigned step) const {
    return start + wgmma::stages * wgmma::stage_bytes + step % wgmma::stages * wgmma::barrier_bytes;
  }
  __device__ uint32_t empty(unsigned step) const {
    return full(step) + wgmma::stages * wgmma::barrier_bytes;
  }
  __device__ static unsigned turn(unsigned step) { return step / wgmma::stages; }
};

// Calls f(position) for each tile of the block.
template <class F>
__device__ inline void wgmma_each_tile(const WgmmaShape& s, F f) {
  for (int64_t tile = blockIdx.x; tile < s.down() * s.across(); tile += gridDim.x)
    f(MmaPosition::of_tile(tile, s.down(), s.across()));
}

template <class Type>
__device__ inline void wgmma_load(const WgmmaShape& s, const WgmmaStages& stages,
                                  const simt::TensorMap& a, const simt::TensorMap& b) {
  constexpr int64_t slice = mma_row / sizeof(typename Type::Raw);
  unsigned step = 0;
  wgmma_each_tile(s, [&](const MmaPosition& at) {
    for (int64_t k = 0; k < s.K; k += slice, ++step) {
      // Before a stage's first turn nobody has to be done with it.
      if (step >= wgmma::stages)
        simt::barrier_wait(stages.empty(step), (stages.turn(step) - 1) % 2);
      simt::barrier_arrive_expecting(stages.full(step), wgmma::stage_bytes);
      simt::load_box(stages.a(step), a, k, at.row * wgmma::rows, stages.full(step));
      simt::load_box(stages.b(step), b, k, at.column * wgmma::columns, stages.full(step));
    }
  });
}

template <class Type, class Put>
__device__ inline void wgmma_multiply_tiles(const WgmmaShape& s, const WgmmaStages& stages,
                                            Put put) {
  constexpr int64_t slice = mma_row / sizeof(typename Type::Raw);
  constexpr unsigned products = mma_row / 32;  // of a slice
  const unsigned own = threadIdx.x % simt::warpgroup_size;
  const unsigned first_row = (threadIdx.x / simt::warpgroup_size - 1) * wgmma::own_rows;
  const auto done_with = [&](unsigned step) {
    if (simt::lane_id() == 0) simt::barrier_arrive(stages.empty(step));
  };
  typename Type::Sum d[128] = {};
  unsigned step = 0;
  wgmma_each_tile(s, [&](const MmaPosition& at) {
    for (int64_t k = 0; k < s.K; k += slice, ++step) {
      simt::barrier_wait(stages.full(step), stages.turn(step) % 2);
      const uint64_t a = simt::wgmma_descriptor(stages.a(step) + first_row * mma_row);
      const uint64_t b = simt::wgmma_descriptor(stages.b(step));
      simt::wgmma_begin();
      ESPALIER_UNROLL
      for (unsigned i = 0; i < products; ++i)
        wgmma_product<Type>(d, a + i * simt::wgmma_step, b + i * simt::wgmma_step, k > 0 || i > 0);
      simt::wgmma_commit();
      if (k > 0) {
        simt::wgmma_wait<1>(d);
        done_with(step - 1);
      }
    }
    simt::wgmma_wait<0>(d);
    done_with(step - 1);
    const int64_t m = at.row * wgmma::rows + first_row + own / 32 * 16 + own % 32 / 4;
    const int64_t n = at.column * wgmma::columns + own % 4 * 2;
    ESPALIER_UNROLL
    for (unsigned r = 0; r < 128; ++r) {
      const int64_t row = m + r / 2 % 2 * 8, column = n + r / 4 * 8 + r % 2;
      if (row < s.M && column < s.N) put(0, row, column, d[r]);
    }
  });
}

// K > 0. Calls put(0, m, n, sum) for each element of the block's tiles that there is.
template <class Type, class Put>
__device__ inline void wgmma_multiply(const WgmmaShape& s, const simt::TensorMap& a,
                                      const simt::TensorMap& b, Put put) {
  const WgmmaStages stages{simt::shared_address(simt::dynamic_shared())};
  constexpr unsigned warps_that_multiply = wgmma::warpgroups * 4;
  if (threadIdx.x == 0) {
    for (unsigned i = 0; i < wgmma::stages; ++i) {
      simt::barrier_init(stages.full(i), 1);
      simt::barrier_init(stages.empty(i), warps_that_multiply);
    }
    simt::barriers_ready();
  }
  simt::sync_block();
  if (threadIdx.x < simt::warpgroup_size) {
    simt::give_registers<wgmma::registers_to_load>();
    if (threadIdx.x == 0) wgmma_load<Type>(s, stages, a, b);
  } else {
    simt::take_registers<wgmma::registers_to_multiply>();
    wgmma_multiply_tiles<Type>(s, stages, put);
  }
}

// Whether large tiles would keep this GPU at work, which must be an sm_90; if so its operands, rows
// on boundaries of 16 bytes.
struct WgmmaOperands {
  simt::TensorMap a, b;
};
template <class Raw>
bool wgmma_fits(const WgmmaShape& s, const Raw* A, int64_t a_row_stride, const Raw* B,
                int64_t b_row_stride, WgmmaOperands& operands) {
  constexpr int64_t least_tiles = 64;
  constexpr unsigned size = sizeof(Raw);
  return s.K > 0 && s.down() * s.across() >= least_tiles && simt::is_hopper() &&
         simt::make_tensor_map(operands.a, A, size, s.K, s.M, a_row_stride * size, wgmma::rows) &&
         simt::make_tensor_map(operands.b, B, size, s.K, s.N, b_row_stride * size, wgmma::columns);
}

inline simt::Grid wgmma_grid(const WgmmaShape& s) {
  const auto tiles = static_cast<unsigned>(s.down() * s.across());
  const unsigned at_once = simt::multiprocessors();
  return {.blocks_x = tiles < at_once ? tiles : at_once,
          .threads = wgmma::threads,
          .shared_bytes = wgmma::shared_bytes};
}

}  // namespace espalier::cuda
