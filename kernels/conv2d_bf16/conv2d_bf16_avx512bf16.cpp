// The conv2d_bf16 row for avx512bf16.
#include "kernels/conv2d_bf16/conv2d_bf16_simd.h"
