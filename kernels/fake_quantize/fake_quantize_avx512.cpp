// The fake_quantize rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/fake_quantize/fake_quantize_simd.h"
