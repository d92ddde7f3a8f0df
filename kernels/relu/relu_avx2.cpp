// The relu rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/relu/relu_simd.h"
