// How a kernel's rows are declared and listed: one function an instruction set, best first. A table
// whose rows hold more than one function defines ROW(isa) and lists them by ESPALIER_EACH_ISA(ROW).
#pragma once

#include "kernels/isa.h"

// For every function that per-ISA files call: it is never emitted, so no copy that was compiled for
// one ISA can be linked into another's code.
#define ESPALIER_INLINE inline __attribute__((always_inline))
// One body for all callers; g++ would make a copy for each constant that is passed.
#if defined(__clang__)
#define ESPALIER_NOINLINE __attribute__((noinline))
#else
#define ESPALIER_NOINLINE __attribute__((noinline, noclone))
#endif
// For functions that the code of the processor and that of a GPU share.
#if defined(__CUDACC__)
#define ESPALIER_ANYWHERE __host__ __device__
#else
#define ESPALIER_ANYWHERE
#endif

#define ESPALIER_DECLARE_ISAS(...)                  \
  ESPALIER_IF_AVX512(namespace avx512{__VA_ARGS__}) \
  ESPALIER_IF_AVX2(namespace avx2{__VA_ARGS__})     \
  ESPALIER_IF_NEON(namespace neon{__VA_ARGS__})
#define ESPALIER_ISA_ROWS(...)                             \
  ESPALIER_IF_AVX512({Isa::avx512, avx512::__VA_ARGS__}, ) \
  ESPALIER_IF_AVX2({Isa::avx2, avx2::__VA_ARGS__}, )       \
  ESPALIER_IF_NEON({Isa::neon, neon::__VA_ARGS__}, )
// A GPU's rows stand apart, since some tables of double have them too: the launchers of
// <name>_cuda.cu, which take pointers to the GPU's memory. Every build declares them, and only
// <name>.cpp, which kernels/meson.build tells whether there are any, lists them: what includes
// headers is the same code with and without CUDA.
#if defined(ESPALIER_CUDA)
#define ESPALIER_IF_CUDA(...) __VA_ARGS__
#else
#define ESPALIER_IF_CUDA(...)
#endif
#define ESPALIER_DECLARE_CUDA(...) \
  namespace cuda {                 \
  __VA_ARGS__                      \
  }
#define ESPALIER_CUDA_ROW(...) ESPALIER_IF_CUDA({Isa::cuda, cuda::__VA_ARGS__}, )
// The same for 8-bit arithmetic, which has dot-product instructions of its own.
#define ESPALIER_DECLARE_DOT_ISAS(...)                                                          \
  ESPALIER_IF_AVX512(namespace avx512vnni { __VA_ARGS__ } namespace avx512vnni256{__VA_ARGS__}) \
  ESPALIER_IF_AVX2(namespace avx2{__VA_ARGS__})                                                 \
  ESPALIER_IF_NEON(namespace dotprod { __VA_ARGS__ } namespace neon{__VA_ARGS__})
#define ESPALIER_EACH_DOT_ISA(ROW)                       \
  ESPALIER_IF_AVX512(ROW(avx512vnni) ROW(avx512vnni256)) \
  ESPALIER_IF_AVX2(ROW(avx2)) ESPALIER_IF_NEON(ROW(dotprod) ROW(neon))
#define ESPALIER_EACH_ISA(ROW) \
  ESPALIER_IF_AVX512(ROW(avx512)) ESPALIER_IF_AVX2(ROW(avx2)) ESPALIER_IF_NEON(ROW(neon))

namespace espalier {

// One row of a kernel's table. Every kernel's table is an array of these for its function type.
template <class Function>
struct KernelRow {
  Isa isa;
  Function* run;
};

}  // namespace espalier
