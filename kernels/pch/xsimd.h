// What the units of an instruction set take longest to parse, compiled once for all of them.
#include "kernels/xsimd_of_unit.h"
