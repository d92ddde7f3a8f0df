// The vocabulary of kernels/simt/simt.h for nvcc: one small function an instruction.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace espalier::simt {

constexpr unsigned all_lanes = 0xffffffffu;

// ---- threads that wait for each other ----

__device__ inline void sync_block() { __syncthreads(); }
__device__ inline void sync_warp() { __syncwarp(); }
// `threads` threads of the block, a multiple of 32, under one of the numbers 1 to 15.
__device__ inline void sync_group(unsigned number, unsigned threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

// ---- values of other lanes; every lane of the warp takes part ----

template <class T>
__device__ inline T shuffle_xor(T value, unsigned mask) {
  return __shfl_xor_sync(all_lanes, value, static_cast<int>(mask));
}
template <class T>
__device__ inline T shuffle(T value, unsigned lane) {
  return __shfl_sync(all_lanes, value, static_cast<int>(lane));
}
__device__ inline bool any_lane(bool value) { return __any_sync(all_lanes, value); }
__device__ inline uint32_t ballot(bool value) { return __ballot_sync(all_lanes, value); }

// ---- shared memory ----

// A T for the block, uninitialised; a kernel calls it once, with a struct of its own.
template <class T>
__device__ inline T& shared_memory() {
  __shared__ alignas(128) unsigned char bytes[sizeof(T)];
  return *reinterpret_cast<T*>(bytes);
}
// The launch's shared_bytes, on a boundary of 1024 bytes.
__device__ inline unsigned char* dynamic_shared() {
  extern __shared__ __align__(1024) unsigned char espalier_dynamic_shared[];
  return espalier_dynamic_shared;
}
__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// ---- arithmetic that is called by name ----

__device__ inline float multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
__device__ inline double multiply_add(double a, double b, double c) { return __fma_rn(a, b, c); }
// c and the products of four bytes, the lowest first: of signed ones, or of unsigned by signed.
__device__ inline int32_t dot_s8(uint32_t a, uint32_t b, int32_t c) {
  return __dp4a(static_cast<int32_t>(a), static_cast<int32_t>(b), c);
}
__device__ inline int32_t dot_u8_s8(uint32_t a, uint32_t b, int32_t c) {
  int32_t sum;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
  return sum;
}
__device__ inline float float_of_bits(uint32_t bits) { return __uint_as_float(bits); }

// ---- launching ----

// Runs `kernel` in the stream of this thread's context. Whether it could start is what
// cudaGetLastError() tells; the engine asks after each operation.
template <class... P, class... A>
void launch(void (*kernel)(P...), const Grid& grid, A... arguments) noexcept {
  constexpr unsigned usual_shared = 48u << 10;
  if (grid.shared_bytes > usual_shared)
    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                         static_cast<int>(grid.shared_bytes));
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(grid.blocks_x, grid.blocks_y, grid.blocks_z);
  config.blockDim = dim3(grid.threads);
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = static_cast<cudaStream_t>(cuda::context.stream);
  cudaLaunchAttribute cluster = {};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = grid.cluster;
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  config.attrs = &cluster;
  config.numAttrs = grid.cluster > 1 ? 1 : 0;
  if (grid.blocks_x == 0 || grid.blocks_y == 0 || grid.blocks_z == 0) return;
  cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
  if (cuda::context.waits) cudaStreamSynchronize(config.stream);
}

}  // namespace espalier::simt
