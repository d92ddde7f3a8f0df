// The quantize rows for avx512vnni: the shared algorithm, compiled with its flags.
#include "kernels/quantize/quantize_simd.h"
