// The philox rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/philox/philox_simd.h"
