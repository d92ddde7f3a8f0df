// The unary rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/unary/unary_simd.h"
