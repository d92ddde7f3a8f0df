// The attention_s8 rows for avx512vnni: the shared algorithm, compiled with its flags.
#include "kernels/attention_s8/attention_s8_simd.h"
