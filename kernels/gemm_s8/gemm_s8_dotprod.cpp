// The gemm_s8 rows for dotprod: the shared algorithm, compiled with its flags.
#include "kernels/gemm_s8/gemm_s8_simd.h"
