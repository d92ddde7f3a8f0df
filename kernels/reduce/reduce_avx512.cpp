// The reduce rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/reduce/reduce_simd.h"
