// The mlp_bf16 row for amx.
#include "kernels/mlp_bf16/mlp_bf16_tiles_simd.h"
