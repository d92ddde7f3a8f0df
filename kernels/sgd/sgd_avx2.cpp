// The sgd rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/sgd/sgd_simd.h"
