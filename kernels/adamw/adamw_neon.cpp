// The adamw rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/adamw/adamw_simd.h"
