// The cross-entropy rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/cross_entropy/cross_entropy_simd.h"
