// The relu rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/relu/relu_simd.h"
