// The binary rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/binary/binary_simd.h"
