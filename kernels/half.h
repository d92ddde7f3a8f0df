// Storage of the half-precision types: the bits alone, no arithmetic.
#pragma once

#include <cstdint>

namespace espalier {

struct Float16 {  // IEEE 754 binary16
  uint16_t bits;
};
struct BFloat16 {  // the upper half of binary32
  uint16_t bits;
};

}  // namespace espalier
