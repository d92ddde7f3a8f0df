// The sgd rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/sgd/sgd_simd.h"
