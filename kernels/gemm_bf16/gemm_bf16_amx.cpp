// The gemm_bf16 rows for amx: products of tiles, in a file of their own.
#include "kernels/gemm_bf16/gemm_bf16_tiles_simd.h"
