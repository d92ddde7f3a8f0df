// The fake_quantize rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/fake_quantize/fake_quantize_simd.h"
