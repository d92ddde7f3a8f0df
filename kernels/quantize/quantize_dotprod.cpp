// The quantize rows for dotprod: the shared algorithm, compiled with its flags.
#include "kernels/quantize/quantize_simd.h"
