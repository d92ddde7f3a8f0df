#include "engine/ops/dropout.h"

#include <algorithm>
#include <cmath>

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/onnx_writer.h"
#include "engine/op.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "kernels/dropout/dropout.h"
#include "kernels/philox/philox.h"

namespace espalier {
namespace {

int64_t dropout_flops(Shapes inputs, const Shape&) { return inputs[0].numel(); }

constexpr Op dropout_op{"dropout", dropout_flops};
constexpr Op drop_path_op{"drop_path", dropout_flops};

void check_probability(const char* op, double p) {
  if (!(p >= 0 && p < 1))
    argument_error(op, "p", std::to_string(p), "a probability in [0, 1)",
                   "to drop everything, leave the branch out");
}

// One byte for each of `count`: 0 with probability p.
Tensor draw_keep(int64_t count, double p) {
  Generator& generator = current_generator();
  const PhiloxKey key{generator.seed(), generator.stream()};
  const uint64_t first = generator.reserve(count);
  const double threshold = std::min(std::round(std::ldexp(p, 32)), 4294967295.0);
  const Tensor keep = Tensor::empty({count}, DType::u8);
  uint8_t* out = keep.data<uint8_t>();
  if (const uint64_t* seed = generator.seed_at()) {
    kernel(philox_keep_seed_at_kernels())
        .run(seed, key.stream, first, static_cast<uint32_t>(threshold), out, count);
    return keep;
  }
  const auto& best = kernel(philox_keep_kernels());
  parallel_for(count, grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(key, first + static_cast<uint64_t>(begin), static_cast<uint32_t>(threshold),
             out + begin, end - begin);
  });
  return keep;
}

template <class T>
void apply(const Op& op, const Tensor& x, const Tensor& keep, double scale, const Tensor& y) {
  const int64_t rows = keep.numel(), width = rows ? x.numel() / rows : 0;
  const uint8_t* mask = keep.data<uint8_t>();
  const T *in = x.data<T>(), factor = static_cast<T>(scale);
  T* out = y.data<T>();
  parallel_for(rows, grain_for(width), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * width;
    if (&op == &dropout_op)
      kernel(dropout_elements_kernels<T>())
          .run(in + first, mask + begin, factor, out + first, end - begin);
    else
      kernel(dropout_rows_kernels<T>())
          .run(in + first, mask + begin, factor, out + first, end - begin, width);
  });
}

struct Saved {
  const Op* op;
  Tensor keep;
  double scale;
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  add_same_shape_gradient(gradient, inputs, [&]<class T>(const Tensor& dy, const Tensor& dx) {
    apply<T>(*saved.op, dy, saved.keep, saved.scale, dx);
  });
}

// Drops what `keep` says, one byte an element or one a sample.
Tensor drop(const Op& op, const Tensor& x, int64_t count, double p) {
  const OpScope scope(op.name, x);
  const Tensor in = contiguous(x.detach()), keep = draw_keep(count, p);
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  const double scale = 1 / (1 - p);
  visit_floating_point(x.dtype(), [&]<class T>() { apply<T>(op, in, keep, scale, y); });
  return record(op, {{"p", p}}, {x}, y, Saved{&op, keep, scale});
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training) {
  check_floating_point(dropout_op.name, "x", x);
  check_probability(dropout_op.name, p);
  return training && p > 0 ? drop(dropout_op, x, x.numel(), p) : x;
}

Tensor drop_path(const Tensor& x, double p, bool training) {
  check_floating_point(drop_path_op.name, "x", x);
  check_min_rank(drop_path_op.name, "x", x, 1);
  check_probability(drop_path_op.name, p);
  return training && p > 0 ? drop(drop_path_op, x, x.size(0), p) : x;
}

void dropout_derivatives(Derivatives& all) {
  all.add<derivative>(dropout_op);
  all.add<derivative>(drop_path_op);
}

void dropout_onnx_forms(OnnxForms&) {}

void dropout_axis_rules(AxisRules& all) {
  for (const Op* op : {&dropout_op, &drop_path_op}) all.add(*op, tie_elementwise);
}

}  // namespace espalier
