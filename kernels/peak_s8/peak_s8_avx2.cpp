// The peak_s8 rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/peak_s8/peak_s8_simd.h"
