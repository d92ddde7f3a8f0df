// The quantize rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/quantize/quantize_simd.h"
