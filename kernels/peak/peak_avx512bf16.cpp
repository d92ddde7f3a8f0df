// The peak_bf16 row for avx512bf16: the shared algorithm, compiled with its flags.
#include "kernels/peak/peak_bf16_simd.h"
