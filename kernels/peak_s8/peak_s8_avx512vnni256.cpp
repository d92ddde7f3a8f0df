// The peak_s8 rows for avx512vnni256: the shared algorithm, compiled with its flags.
#include "kernels/peak_s8/peak_s8_simd.h"
