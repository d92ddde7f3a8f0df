// The cast rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/cast/cast_simd.h"
