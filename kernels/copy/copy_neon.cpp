// The copy rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/copy/copy_simd.h"
