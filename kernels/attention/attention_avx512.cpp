// The attention rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/attention/attention_simd.h"
