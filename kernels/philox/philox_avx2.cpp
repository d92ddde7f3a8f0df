// The philox rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/philox/philox_simd.h"
