// The linear_dynamic rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/linear_dynamic/linear_dynamic_simd.h"
