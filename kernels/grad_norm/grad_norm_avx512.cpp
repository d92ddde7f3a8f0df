// The grad_norm rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/grad_norm/grad_norm_simd.h"
