// The cast rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/cast/cast_simd.h"
