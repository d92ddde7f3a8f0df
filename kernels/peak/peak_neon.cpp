// The peak rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/peak/peak_simd.h"
