// The linear_dynamic rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/linear_dynamic/linear_dynamic_simd.h"
