// The attention_bf16 row for avx512bf16.
#include "kernels/attention_bf16/attention_bf16_simd.h"
