// The 8-bit codes that a range becomes: what observers look for ranges by and what conversion
// writes.
#pragma once

#include "compress/observers/observer.h"

namespace espalier {

// code = round(x / scale) + zero_point, saturated to [-128, 127]
struct Codes {
  double scale = 1;
  int zero_point = 0;
};

// 256 codes over the range (Jacob et al., 2018, section 2.1); zero is a code of its own.
Codes affine_codes(const Range& range);

// The scale of codes -codes to codes, zero point 0, that reach over the range.
double symmetric_scale(const Range& range, double codes);
}  // namespace espalier
