// The binary rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/binary/binary_simd.h"
