// The reduce rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/reduce/reduce_simd.h"
