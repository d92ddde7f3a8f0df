// The attention rows for avx2: the shared algorithm, compiled with its flags.
#include "kernels/attention/attention_simd.h"
