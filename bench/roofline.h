// The roofline of Williams, Waterman and Patterson (CACM 52:4, 2009): what kernels reach against
// what arithmetic and memory allow at their arithmetic intensity.
#pragma once

#include <vector>

#include "bench/hardware.h"
#include "bench/kernels.h"
#include "bench/plot.h"

namespace espalier::bench {

// What something reached, at its arithmetic intensity (operations a byte). Points of one name share
// a colour.
struct RooflinePoint {
  std::string name;
  DType arithmetic;
  double intensity, gops;
};

// The roofs of `threads` threads: the best instruction set that was measured for each arithmetic of
// the points, and each level of memory up to the highest of them.
Chart roofline(const HardwareProfile& profile, int threads,
               const std::vector<RooflinePoint>& points);

// One thread; each kernel's best row for each case.
Chart roofline(const HardwareProfile& profile, const std::vector<KernelResult>& results);

}  // namespace espalier::bench
