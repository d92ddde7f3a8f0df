// The roofline of Williams, Waterman and Patterson (CACM 52:4, 2009): what kernels reach against
// what arithmetic and memory allow at their arithmetic intensity.
#pragma once

#include <vector>

#include "bench/hardware.h"
#include "bench/kernels.h"
#include "bench/plot.h"

namespace espalier::bench {

// One thread, the best instruction set that was measured. Each level of memory has a roof; each
// kernel is a series of points, its best row for each case.
Chart roofline(const HardwareProfile& profile, const std::vector<KernelResult>& results);

}  // namespace espalier::bench
