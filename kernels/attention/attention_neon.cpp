// The attention rows for neon: the shared algorithm, compiled with its flags.
#include "kernels/attention/attention_simd.h"
