// The relu rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/relu/relu_simd.h"
