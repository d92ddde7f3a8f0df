// The softmax rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/softmax/softmax_simd.h"
