// Functions of two variables on sixteen lanes. Operation and operand form are template parameters
// of one body: a row vector is loaded block by block, a scalar once a row.
#pragma once

#include "kernels/binary/binary.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

template <BinaryOp op>
ESPALIER_INLINE f32x16 binary_value(const f32x16& a, const f32x16& b) {
  if constexpr (op == BinaryOp::add) return a + b;
  if constexpr (op == BinaryOp::sub) return a - b;
  if constexpr (op == BinaryOp::mul) return a * b;
  if constexpr (op == BinaryOp::div) return a / b;
  if constexpr (op == BinaryOp::maximum) return maximum(a, b);
  if constexpr (op == BinaryOp::minimum) return minimum(a, b);
  if constexpr (op == BinaryOp::share)
    return select(a > b, broadcast(1.0f), select(a < b, broadcast(0.0f), broadcast(0.5f)));
}

template <BinaryOp op, bool a_is_scalar, bool b_is_scalar>
ESPALIER_INLINE void binary_rows(const BinaryOperand<float>& a, const BinaryOperand<float>& b,
                                 float* y, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r, y += width) {
    const float* p = a.data + r * a.row_stride;
    const float* q = b.data + r * b.row_stride;
    const f32x16 a_value = broadcast(a_is_scalar ? *p : 0.0f);
    const f32x16 b_value = broadcast(b_is_scalar ? *q : 0.0f);
    blocks(width, [&](int64_t i, int n) {
      const f32x16 left = a_is_scalar ? a_value : load(p + i, n);
      const f32x16 right = b_is_scalar ? b_value : load(q + i, n);
      store(y + i, binary_value<op>(left, right), n);
    });
  }
}

template <BinaryOp op>
ESPALIER_INLINE void binary_forms(const BinaryOperand<float>& a, const BinaryOperand<float>& b,
                                  float* y, int64_t rows, int64_t width) {
  if (a.column_stride && b.column_stride)
    return binary_rows<op, false, false>(a, b, y, rows, width);
  if (a.column_stride) return binary_rows<op, false, true>(a, b, y, rows, width);
  if (b.column_stride) return binary_rows<op, true, false>(a, b, y, rows, width);
  binary_rows<op, true, true>(a, b, y, rows, width);
}

void binary(BinaryOp op, BinaryOperand<float> a, BinaryOperand<float> b, float* y, int64_t rows,
            int64_t width) noexcept {
  if (width == 0) return;
  switch (op) {
    case BinaryOp::add:
      return binary_forms<BinaryOp::add>(a, b, y, rows, width);
    case BinaryOp::sub:
      return binary_forms<BinaryOp::sub>(a, b, y, rows, width);
    case BinaryOp::mul:
      return binary_forms<BinaryOp::mul>(a, b, y, rows, width);
    case BinaryOp::div:
      return binary_forms<BinaryOp::div>(a, b, y, rows, width);
    case BinaryOp::maximum:
      return binary_forms<BinaryOp::maximum>(a, b, y, rows, width);
    case BinaryOp::minimum:
      return binary_forms<BinaryOp::minimum>(a, b, y, rows, width);
    case BinaryOp::share:
      return binary_forms<BinaryOp::share>(a, b, y, rows, width);
  }
}

void axpby(float alpha, const float* x, float beta, float* y, int64_t count) noexcept {
  const f32x16 a = broadcast(alpha), b = broadcast(beta);
  const bool reads = beta != 0.0f;
  blocks(count, [&](int64_t i, int n) {
    const f32x16 v = load(x + i, n);
    store(y + i, reads ? fma(a, v, b * load(y + i, n)) : a * v, n);
  });
}

}  // namespace espalier::ESPALIER_ISA
