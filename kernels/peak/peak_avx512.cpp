// The peak rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/peak/peak_simd.h"
