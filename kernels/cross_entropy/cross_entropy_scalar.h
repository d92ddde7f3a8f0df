// The target of one class, as the scalar rows and a GPU compute it.
#pragma once

#include "kernels/cross_entropy/cross_entropy.h"

namespace espalier {

// q[r, j] of the contract.
template <class T>
ESPALIER_ANYWHERE T smoothed(const CrossEntropyTarget<T>& target, int64_t r, int64_t j,
                             int64_t classes) {
  const T p = target.index ? T(target.index[r] == j) : target.probability[r * classes + j];
  return (1 - target.smoothing) * p + target.smoothing / static_cast<T>(classes);
}

}  // namespace espalier
