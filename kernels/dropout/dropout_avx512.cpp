// The dropout rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/dropout/dropout_simd.h"
