// The peak rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/peak/peak_simd.h"
