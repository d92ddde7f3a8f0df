// The gemm_s8 rows for amx: products of tiles, in a file of their own.
#include "kernels/gemm_s8/gemm_s8_tiles_simd.h"
