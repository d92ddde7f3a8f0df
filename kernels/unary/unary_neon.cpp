// The unary rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/unary/unary_simd.h"
