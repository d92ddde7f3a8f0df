// The dropout rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/dropout/dropout_simd.h"
