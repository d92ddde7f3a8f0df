// The binary rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/binary/binary_simd.h"
