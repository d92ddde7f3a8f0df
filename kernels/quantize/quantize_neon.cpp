// The quantize rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/quantize/quantize_simd.h"
