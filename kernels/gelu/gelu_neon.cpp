// The GELU rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/gelu/gelu_simd.h"
