// The softmax rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/softmax/softmax_simd.h"
