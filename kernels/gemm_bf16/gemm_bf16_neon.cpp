// The gemm_bf16 rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/gemm_bf16/gemm_bf16_simd.h"
