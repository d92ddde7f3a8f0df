// The gemm_f32 rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/gemm_f32/gemm_f32_simd.h"
