// The max_pool2d rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/max_pool2d/max_pool2d_simd.h"
