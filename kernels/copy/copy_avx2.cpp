// The copy rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/copy/copy_simd.h"
