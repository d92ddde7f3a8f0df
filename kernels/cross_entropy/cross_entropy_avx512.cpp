// The cross-entropy rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/cross_entropy/cross_entropy_simd.h"
