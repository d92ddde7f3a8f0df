// The copy rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/copy/copy_simd.h"
