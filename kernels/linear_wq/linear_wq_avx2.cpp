// The linear_wq rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/linear_wq/linear_wq_simd.h"
