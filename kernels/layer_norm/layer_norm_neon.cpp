// The layer norm rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/layer_norm/layer_norm_simd.h"
