// The reduce rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/reduce/reduce_simd.h"
