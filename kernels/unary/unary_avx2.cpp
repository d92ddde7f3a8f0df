// The unary rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/unary/unary_simd.h"
