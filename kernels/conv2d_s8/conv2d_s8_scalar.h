// One byte of all patches, as the scalar row and a GPU compute it.
#pragma once

#include "kernels/conv2d_s8/conv2d_s8.h"
#include "kernels/unfold/unfold_scalar.h"

namespace espalier {

// Byte `k` of row `row`.
ESPALIER_ANYWHERE inline int8_t patch_code(const int8_t* x, const PlainImages& plain,
                                           const Conv2dShape& s, int8_t border, int64_t row,
                                           int64_t k) noexcept {
  return k < s.depth() ? unfolded(x, plain, s, row * s.depth() + k, border) : int8_t{0};
}

}  // namespace espalier
