// The philox rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/philox/philox_simd.h"
