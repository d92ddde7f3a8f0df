// The GELU rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/gelu/gelu_simd.h"
