#include "engine/ops/binary.h"

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/op.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/profiler.h"
#include "kernels/binary/binary.h"

namespace espalier {
namespace {

int64_t one_flop_an_element(Inputs, const Tensor& y) { return y.numel(); }

constexpr Op add_op{"add", one_flop_an_element}, sub_op{"sub", one_flop_an_element};
constexpr Op mul_op{"mul", one_flop_an_element}, div_op{"div", one_flop_an_element};
constexpr Op maximum_op{"maximum", one_flop_an_element}, minimum_op{"minimum", one_flop_an_element};

// The result as a matrix [rows, width], in which an operand either has a row for each row, or one
// row for all; and one value for each column, or one for all.
struct Layout {
  int64_t rows, width;
  bool fits;  // false where an operand must be copied to the full shape first
};

// The number of trailing dimensions in which `shape` equals `wide`, counted as elements.
int64_t common_tail(const Shape& shape, const Shape& wide) {
  int64_t elements = 1;
  for (int i = 1; i <= shape.rank() && shape[shape.rank() - i] == wide[wide.rank() - i]; ++i)
    elements *= wide[wide.rank() - i];
  return elements;
}

bool is_row_or_whole(const Tensor& x, int64_t width, int64_t total) {
  return x.is_contiguous() && (x.numel() == 1 || x.numel() == width || x.numel() == total);
}

Layout layout_of(const Tensor& a, const Tensor& b, const Shape& shape) {
  const int64_t total = shape.numel();
  int64_t width = total;
  for (const Tensor& x : {a, b})
    if (x.numel() != 1 && x.numel() != total)
      width = std::min(width, common_tail(x.shape(), shape));
  const bool fits =
      width > 0 && is_row_or_whole(a, width, total) && is_row_or_whole(b, width, total);
  return {fits ? total / width : 1, fits ? width : total, fits};
}

template <class T>
BinaryOperand<T> operand(const Tensor& x, const Layout& layout) {
  if (x.numel() == 1) return {x.data<T>(), 0, 0};
  return {x.data<T>(), x.numel() == layout.width ? 0 : layout.width, 1};
}

template <class T>
void run_rows(BinaryOp op, const Tensor& a, const Tensor& b, const Tensor& y,
              const Layout& layout) {
  const auto& best = kernel(binary_kernels<T>());
  BinaryOperand<T> x = operand<T>(a, layout), z = operand<T>(b, layout);
  T* out = y.data<T>();
  // One long row is cut into pieces; many rows are handed out in groups.
  if (layout.rows == 1) {
    parallel_for(layout.width, grain_for(1), [&](int64_t begin, int64_t end) {
      best.run(op, {x.data + begin * x.column_stride, 0, x.column_stride},
               {z.data + begin * z.column_stride, 0, z.column_stride}, out + begin, 1, end - begin);
    });
    return;
  }
  parallel_for(layout.rows, grain_for(layout.width), [&](int64_t begin, int64_t end) {
    best.run(op, {x.data + begin * x.row_stride, x.row_stride, x.column_stride},
             {z.data + begin * z.row_stride, z.row_stride, z.column_stride},
             out + begin * layout.width, end - begin, layout.width);
  });
}

// f(a, b) off the tape.
Tensor apply(BinaryOp op, Tensor a, Tensor b) {
  const NoGradGuard off;
  const Tensor y = Tensor::empty(broadcast_shapes("binary", a.shape(), b.shape()), a.dtype());
  Layout layout = layout_of(a, b, y.shape());
  if (!layout.fits) {
    a = contiguous(expand(a, y.shape()));
    b = contiguous(expand(b, y.shape()));
    layout = layout_of(a, b, y.shape());
  }
  visit_floating_point(y.dtype(), [&]<class T>() { run_rows<T>(op, a, b, y, layout); });
  return y;
}

Tensor number(double value, const Tensor& like) { return Tensor::full({}, value, like.dtype()); }
Tensor negated(const Tensor& x) { return apply(BinaryOp::mul, x, number(-1, x)); }

Tensor forward(const Op& op, BinaryOp which, const Tensor& a, const Tensor& b) {
  check_floating_point(op.name, "a", a);
  check_floating_point(op.name, "b", b);
  check_same_dtype(op.name, "b", b, a);
  broadcast_shapes(op.name, a.shape(), b.shape());
  return apply(which, a.detach(), b.detach());
}

// The greater (or lesser) of two: its gradient goes to the operand that was chosen.
Tensor choose(const Op& op, BinaryOp which, const Tensor& a, const Tensor& b) {
  const profiler::Scope scope(op.name);
  const Tensor y = forward(op, which, a, b);
  const bool greater = which == BinaryOp::maximum;
  return record(
      op, {}, {a, b}, y,
      [greater, a = a.detach(), b = b.detach()](const Tensor& dy, InputGradients& inputs) {
        const Tensor to_a = apply(BinaryOp::share, greater ? a : b, greater ? b : a);
        const Tensor da = apply(BinaryOp::mul, dy, to_a);
        inputs.add(0, sum_to(da, a.shape()));
        inputs.add(1, sum_to(apply(BinaryOp::sub, dy, da), b.shape()));
      });
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  const profiler::Scope scope(add_op.name);
  const Tensor y = forward(add_op, BinaryOp::add, a, b);
  return record(add_op, {}, {a, b}, y,
                [a = a.shape(), b = b.shape()](const Tensor& dy, InputGradients& inputs) {
                  if (inputs.wants(0)) inputs.add(0, sum_to(dy, a));
                  if (inputs.wants(1)) inputs.add(1, sum_to(dy, b));
                });
}

Tensor sub(const Tensor& a, const Tensor& b) {
  const profiler::Scope scope(sub_op.name);
  const Tensor y = forward(sub_op, BinaryOp::sub, a, b);
  return record(sub_op, {}, {a, b}, y,
                [a = a.shape(), b = b.shape()](const Tensor& dy, InputGradients& inputs) {
                  if (inputs.wants(0)) inputs.add(0, sum_to(dy, a));
                  if (inputs.wants(1)) inputs.add(1, sum_to(negated(dy), b));
                });
}

Tensor mul(const Tensor& a, const Tensor& b) {
  const profiler::Scope scope(mul_op.name);
  const Tensor y = forward(mul_op, BinaryOp::mul, a, b);
  return record(mul_op, {}, {a, b}, y,
                [a = a.detach(), b = b.detach()](const Tensor& dy, InputGradients& inputs) {
                  if (inputs.wants(0))
                    inputs.add(0, sum_to(apply(BinaryOp::mul, dy, b), a.shape()));
                  if (inputs.wants(1))
                    inputs.add(1, sum_to(apply(BinaryOp::mul, dy, a), b.shape()));
                });
}

Tensor div(const Tensor& a, const Tensor& b) {
  const profiler::Scope scope(div_op.name);
  const Tensor y = forward(div_op, BinaryOp::div, a, b);
  return record(
      div_op, {}, {a, b}, y,
      [a = a.shape(), b = b.detach(), y = y.detach()](const Tensor& dy, InputGradients& inputs) {
        const Tensor da = apply(BinaryOp::div, dy, b);
        if (inputs.wants(0)) inputs.add(0, sum_to(da, a));
        if (inputs.wants(1)) inputs.add(1, sum_to(negated(apply(BinaryOp::mul, da, y)), b.shape()));
      });
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return choose(maximum_op, BinaryOp::maximum, a, b);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return choose(minimum_op, BinaryOp::minimum, a, b);
}

Tensor add(const Tensor& a, double b) { return add(a, number(b, a)); }
Tensor mul(const Tensor& a, double b) { return mul(a, number(b, a)); }

}  // namespace espalier
