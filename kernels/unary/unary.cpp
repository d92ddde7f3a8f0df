#include "kernels/unary/unary.h"

#include <cmath>

namespace espalier {
namespace {

// From e^-|x|, which cannot overflow.
template <class T>
T sigmoid(T x) noexcept {
  const T e = std::exp(-std::abs(x));
  return (x < 0 ? e : T(1)) / (1 + e);
}

template <class T>
T value(UnaryOp op, T x) noexcept {
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
      return sigmoid(x);
  }
  return x;
}

// f'(x) * dy, where `saved` is x or y.
template <class T>
T derivative(UnaryOp op, T saved, T dy) noexcept {
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

template <class T>
void unary_forward_scalar(UnaryOp op, const T* x, T* y, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) y[i] = value(op, x[i]);
}

template <class T>
void unary_backward_scalar(UnaryOp op, const T* saved, const T* dy, T* dx, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) dx[i] = derivative(op, saved[i], dy[i]);
}

}  // namespace

template <>
std::span<const KernelRow<UnaryForward<float>>> unary_forward_kernels() noexcept {
  static constexpr KernelRow<UnaryForward<float>> rows[] = {
      ESPALIER_ISA_ROWS(unary_forward){Isa::scalar, unary_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<UnaryForward<double>>> unary_forward_kernels() noexcept {
  static constexpr KernelRow<UnaryForward<double>> rows[] = {
      {Isa::scalar, unary_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<UnaryBackward<float>>> unary_backward_kernels() noexcept {
  static constexpr KernelRow<UnaryBackward<float>> rows[] = {
      ESPALIER_ISA_ROWS(unary_backward){Isa::scalar, unary_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<UnaryBackward<double>>> unary_backward_kernels() noexcept {
  static constexpr KernelRow<UnaryBackward<double>> rows[] = {
      {Isa::scalar, unary_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
