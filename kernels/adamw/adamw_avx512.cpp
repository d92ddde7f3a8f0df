// The adamw rows for avx512: the shared algorithm, compiled with its flags.
#include "kernels/adamw/adamw_simd.h"
