// The functions of two values, as the scalar rows and a GPU compute them.
#pragma once

#include <cmath>

#include "kernels/binary/binary.h"

namespace espalier {

template <class T>
ESPALIER_ANYWHERE T binary_value(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::add:
      return a + b;
    case BinaryOp::sub:
      return a - b;
    case BinaryOp::mul:
      return a * b;
    case BinaryOp::div:
      return a / b;
    case BinaryOp::maximum:
      return a > b || a != a ? a : b;
    case BinaryOp::minimum:
      return a < b || a != a ? a : b;
    case BinaryOp::share:
      return a > b ? T(1) : a < b ? T(0) : T(0.5);
  }
  return a;
}

}  // namespace espalier
