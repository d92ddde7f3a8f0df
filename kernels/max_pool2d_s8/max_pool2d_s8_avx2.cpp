// The max_pool2d_s8 rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/max_pool2d_s8/max_pool2d_s8_simd.h"
