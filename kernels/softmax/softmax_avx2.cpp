// The softmax rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/softmax/softmax_simd.h"
