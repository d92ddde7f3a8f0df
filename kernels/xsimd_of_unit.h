// xsimd, renamed after the instruction set that a unit is compiled for, so that no symbol compiled
// for one can be linked into another's code. See kernels/simd.h.
#pragma once

#define ESPALIER_CONCAT_(a, b) a##b
#define ESPALIER_CONCAT(a, b) ESPALIER_CONCAT_(a, b)
#define xsimd ESPALIER_CONCAT(xsimd_, ESPALIER_ISA)
#include <xsimd/xsimd.hpp>
