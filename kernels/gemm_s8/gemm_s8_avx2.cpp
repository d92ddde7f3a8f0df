// The gemm_s8 rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/gemm_s8/gemm_s8_simd.h"
