// The sgd rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/sgd/sgd_simd.h"
