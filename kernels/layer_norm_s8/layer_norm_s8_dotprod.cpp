// The layer_norm_s8 rows for dotprod: the shared algorithm, compiled with its flags.
#include "kernels/layer_norm_s8/layer_norm_s8_simd.h"
