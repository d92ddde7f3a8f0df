// The mlp_bf16 row for avx512bf16.
#include "kernels/mlp_bf16/mlp_bf16_pairs_simd.h"
