// The conv2d rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/conv2d/conv2d_simd.h"
