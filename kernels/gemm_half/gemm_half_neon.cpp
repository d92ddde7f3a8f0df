// The gemm_half rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/gemm_half/gemm_half_simd.h"
