// The small vocabulary that CUDA kernels are written in. nvcc compiles it for a GPU; any other
// compiler for the emulator (kernels/simt/emulator.h), where the same kernels run on the host.
//
// Kernels read threadIdx and blockIdx as in CUDA, mark functions __global__ and __device__, and
// take everything else (barriers, shuffles, shared memory, tensor cores, asynchronous copies) from
// here. They start through launch(), in the stream of the calling thread's context.
#pragma once

#include <cstdint>

#include "kernels/half.h"
#include "kernels/simt/stream.h"

namespace espalier::simt {

// The shape of one launch. Threads of a block are a multiple of 32.
struct Grid {
  unsigned blocks_x = 1, blocks_y = 1, blocks_z = 1;
  unsigned threads = 32;
  unsigned shared_bytes = 0;  // of dynamic_shared(), beside what shared_memory() takes
  unsigned cluster = 1;       // blocks along x that share their shared memory (sm_90)
};

constexpr unsigned warp_size = 32;

}  // namespace espalier::simt

// Before a loop whose steps nvcc shall write out, and one that it shall not; a host compiler does
// as it likes.
#if defined(__CUDACC__)
#define ESPALIER_UNROLL _Pragma("unroll")
#define ESPALIER_NO_UNROLL _Pragma("unroll 1")
#else
#define ESPALIER_UNROLL
#define ESPALIER_NO_UNROLL
#endif

#if defined(__CUDACC__)
#include "kernels/simt/device_cuda.h"
#else
#include "kernels/simt/device_emulated.h"
#endif

namespace espalier::simt {

__device__ inline unsigned lane_id() { return threadIdx.x % warp_size; }
__device__ inline unsigned warp_id() { return threadIdx.x / warp_size; }

constexpr unsigned divide_up(int64_t a, int64_t b) {
  return static_cast<unsigned>((a + b - 1) / b);
}

// ---- reductions in one order for any data: a butterfly over the lanes of a warp ----

template <class T, class F>
__device__ inline T warp_reduce(T value, F f) {
  for (unsigned distance = warp_size / 2; distance > 0; distance /= 2)
    value = f(value, shuffle_xor(value, distance));
  return value;
}

struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
// NaN if either is.
struct Maximum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

template <class T>
__device__ inline T warp_sum(T value) {
  return warp_reduce(value, Add());
}
template <class T>
__device__ inline T warp_maximum(T value) {
  return warp_reduce(value, Maximum());
}

// Over all threads of a block, known to each; `slots` is shared memory for a value a warp and is
// free again when the call returns. All threads must call it.
template <class T, class F>
__device__ inline T block_reduce(T value, T neutral, T* slots, F f) {
  value = warp_reduce(value, f);
  if (lane_id() == 0) slots[warp_id()] = value;
  sync_block();
  const unsigned warps = blockDim.x / warp_size;
  value = warp_reduce(lane_id() < warps ? slots[lane_id()] : neutral, f);
  sync_block();
  return value;
}

// Down the warps of a block, lane by lane, from the first warp to the last; warp 0 gets the result.
// `slots` is shared memory for a value a thread and is free again when the call returns. All
// threads must call it.
template <class T, class F>
__device__ inline T fold_warps(T value, T* slots, F f) {
  slots[threadIdx.x] = value;
  sync_block();
  if (warp_id() == 0)
    for (unsigned i = lane_id() + warp_size; i < blockDim.x; i += warp_size)
      value = f(value, slots[i]);
  sync_block();
  return value;
}

// ---- a thread an element, a warp a row ----

constexpr unsigned element_threads = 256, rows_of_block = 4;

inline Grid elements_grid(int64_t count) {
  return {.blocks_x = divide_up(count, element_threads), .threads = element_threads};
}
__device__ inline int64_t element_index() {
  return int64_t{blockIdx.x} * element_threads + threadIdx.x;
}

inline Grid rows_grid(int64_t rows) {
  return {.blocks_x = divide_up(rows, rows_of_block), .threads = rows_of_block * warp_size};
}
// Of this warp. All lanes of a warp have the same, so that a warp past the last row may leave.
__device__ inline int64_t row_index() { return int64_t{blockIdx.x} * rows_of_block + warp_id(); }

}  // namespace espalier::simt
