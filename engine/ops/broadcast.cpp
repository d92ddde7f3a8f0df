#include "engine/ops/broadcast.h"

#include "engine/dispatch.h"
#include "engine/op.h"
#include "engine/ops/view.h"
#include "engine/profiler.h"
#include "kernels/reduce/reduce.h"

namespace espalier {
namespace {

int64_t sum_to_flops(Inputs inputs, const Tensor&) { return inputs.begin()->numel(); }

constexpr Op expand_op{"expand"};
constexpr Op sum_to_op{"sum_to", sum_to_flops};

// Strides that walk a tensor of `shape` and `strides` as if it had the larger shape `wide`.
Shape broadcast_strides(const Shape& shape, const Shape& strides, const Shape& wide) {
  Shape out = Shape::of_rank(wide.rank());
  for (int i = 1; i <= shape.rank(); ++i)
    if (shape[shape.rank() - i] != 1) out[wide.rank() - i] = strides[shape.rank() - i];
  return out;
}

// True when `shape`, without leading ones, is the end of `wide`: then only leading dimensions
// repeat.
bool repeats_leading_only(const Shape& shape, const Shape& wide) {
  int first = 0;
  while (first < shape.rank() && shape[first] == 1) ++first;
  for (int i = first; i < shape.rank(); ++i)
    if (shape[i] != wide[wide.rank() - shape.rank() + i]) return false;
  return true;
}

template <class T>
void sum_into(const Tensor& x, const Tensor& y) {
  const int64_t width = y.numel();
  if (width && x.is_contiguous() && repeats_leading_only(y.shape(), x.shape())) {
    kernel(reduce_columns_kernels<T>())
        .run(ReduceOp::sum, x.data<T>(), y.data<T>(), x.numel() / width, width, width);
    return;
  }
  T* sum = y.data<T>();
  const T* in = x.data<T>();
  y.fill_(0);
  for_each_element(x.shape(), x.strides(), broadcast_strides(y.shape(), y.strides(), x.shape()),
                   [&](int64_t from, int64_t to) { sum[to] += in[from]; });
}

void check_broadcast(const char* op, const Shape& narrow, const Shape& wide) {
  if (!(broadcast_shapes(op, narrow, wide) == wide))
    argument_error(op, "shape", wide.str(), "one that " + narrow.str() + " broadcasts to", "");
}

}  // namespace

Tensor expand(const Tensor& x, const Shape& shape) {
  check_defined(expand_op.name, "x", x);
  check_broadcast(expand_op.name, x.shape(), shape);
  const Tensor y =
      x.as_strided(shape, broadcast_strides(x.shape(), x.strides(), shape), x.storage_offset());
  return record(expand_op, {{"shape", shape}}, {x}, y,
                [from = x.shape()](const Tensor& dy, InputGradients& inputs) {
                  inputs.add(0, sum_to(dy, from));
                });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  check_floating_point(sum_to_op.name, "x", x);
  check_broadcast(sum_to_op.name, shape, x.shape());
  if (shape == x.shape()) return x;
  const profiler::Scope scope(sum_to_op.name);
  const Tensor y = Tensor::empty(shape, x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() { sum_into<T>(x, y); });
  return record(sum_to_op, {{"shape", shape}}, {x}, y,
                [from = x.shape()](const Tensor& dy, InputGradients& inputs) {
                  inputs.add(0, contiguous(expand(dy, from)));
                });
}

}  // namespace espalier
