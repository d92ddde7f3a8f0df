// The cross-entropy rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/cross_entropy/cross_entropy_simd.h"
