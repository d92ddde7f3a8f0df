// One step of a reduction, as the scalar rows and a GPU compute it.
#pragma once

#include <limits>

#include "kernels/reduce/reduce.h"

namespace espalier {

template <class T>
ESPALIER_ANYWHERE T reduce_neutral(ReduceOp op) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  return op == ReduceOp::sum ? T(0) : op == ReduceOp::maximum ? -infinity : infinity;
}

template <class T>
ESPALIER_ANYWHERE T reduce_combine(ReduceOp op, T total, T x) {
  switch (op) {
    case ReduceOp::sum:
      return total + x;
    case ReduceOp::maximum:
      return x > total || x != x ? x : total;
    case ReduceOp::minimum:
      return x < total || x != x ? x : total;
  }
  return total;
}

}  // namespace espalier
