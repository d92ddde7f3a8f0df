// The linear_wq rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/linear_wq/linear_wq_simd.h"
