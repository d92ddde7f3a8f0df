// The functions and derivatives of one value, as the scalar rows and a GPU compute them.
#pragma once

#include <cmath>

#include "kernels/unary/unary.h"

namespace espalier {

// From e^-|x|, which cannot overflow.
template <class T>
ESPALIER_ANYWHERE T sigmoid_value(T x) {
  const T e = std::exp(-std::abs(x));
  return (x < 0 ? e : T(1)) / (1 + e);
}

template <class T>
ESPALIER_ANYWHERE T unary_value(UnaryOp op, T x) {
  switch (op) {
    case UnaryOp::neg:
      return -x;
    case UnaryOp::abs:
      return std::abs(x);
    case UnaryOp::square:
      return x * x;
    case UnaryOp::sqrt:
      return std::sqrt(x);
    case UnaryOp::rsqrt:
      return 1 / std::sqrt(x);
    case UnaryOp::reciprocal:
      return 1 / x;
    case UnaryOp::exp:
      return std::exp(x);
    case UnaryOp::log:
      return std::log(x);
    case UnaryOp::tanh:
      return std::tanh(x);
    case UnaryOp::sigmoid:
      return sigmoid_value(x);
  }
  return x;
}

// f'(x) * dy, where `saved` is x or y.
template <class T>
ESPALIER_ANYWHERE T unary_slope(UnaryOp op, T saved, T dy) {
  switch (op) {
    case UnaryOp::neg:
      return -dy;
    case UnaryOp::abs:
      return saved > 0 ? dy : saved < 0 ? -dy : saved * dy;
    case UnaryOp::square:
      return (saved + saved) * dy;
    case UnaryOp::sqrt:
      return T(0.5) * dy / saved;
    case UnaryOp::rsqrt:
      return T(-0.5) * dy * (saved * saved * saved);
    case UnaryOp::reciprocal:
      return -dy * (saved * saved);
    case UnaryOp::exp:
      return dy * saved;
    case UnaryOp::log:
      return dy / saved;
    case UnaryOp::tanh:
      return dy * (1 - saved * saved);
    case UnaryOp::sigmoid:
      return dy * (saved * (1 - saved));
  }
  return dy;
}

}  // namespace espalier
