#include "engine/ops/max_pool2d.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/max_pool2d/max_pool2d.h"
#include "kernels/max_pool2d_s8/max_pool2d_s8.h"

namespace espalier {
namespace {

template <class T>
void forward_images(const KernelRow<MaxPool2dForward<T>>& row, const T* x, T* y, uint8_t* argmax,
                    int64_t images, const MaxPool2dShape& s) {
  parallel_for(images, grain_for(s.in_size()), [&](int64_t begin, int64_t end) {
    row.run(x + begin * s.in_size(), y + begin * s.out_size(),
            argmax ? argmax + begin * s.out_size() : nullptr, end - begin, s);
  });
}

void codes_of_images(const KernelRow<MaxPool2dS8>& row, const int8_t* x, int8_t* y, int64_t images,
                     const MaxPool2dShape& s) {
  parallel_for(images, grain_for(s.in_size() / 8), [&](int64_t begin, int64_t end) {
    row.run(x + begin * s.in_size(), y + begin * s.out_size(), end - begin, s);
  });
}

void lower(Lowering& l) {
  const Operand x = l.contiguous_in(0), y = l.out();
  const MaxPool2dShape s{x.shape[1].fixed,    x.shape[2].fixed,    x.shape[3].fixed,
                         l.integer("kernel"), l.integer("stride"), l.integer("padding")};
  if (x.dtype == DType::s8) {
    const auto& best = kernel(max_pool2d_s8_kernels());
    return l.step(best.isa, [=, &best](const StepRun& run) {
      codes_of_images(best, run.at<int8_t>(x.address), run.at<int8_t>(y.address),
                      x.shape[0].at(run.batch), s);
    });
  }
  const auto& best = kernel(max_pool2d_forward_kernels<float>());
  l.step(best.isa, [=, &best](const StepRun& run) {
    forward_images<float>(best, run.at(x.address), run.at(y.address), nullptr,
                          x.shape[0].at(run.batch), s);
  });
}

Tensor replay_call(const NodeCall& c) {
  return max_pool2d(c.in(0), c.integer("kernel"), c.integer("stride"), c.integer("padding"));
}

void onnx(OnnxWriter& w) {
  const bool of_codes = w.in_dtype(0) == DType::s8;
  if (of_codes) w.out_codes(w.codes(0));
  const OnnxName x = of_codes ? w.in_codes(0) : w.in(0);
  const OnnxName y = w.add("MaxPool", {w.transpose(x, {0, 3, 1, 2})},
                           {{"kernel_shape", Shape::of_rank(2, w.integer("kernel"))},
                            {"strides", Shape::of_rank(2, w.integer("stride"))},
                            {"pads", Shape::of_rank(4, w.integer("padding"))}});
  w.out("Transpose", {y}, {{"perm", Shape{0, 2, 3, 1}}});
}

constexpr Op max_pool2d_op{.name = "max_pool2d", .lower = lower, .replay = replay_call};

MaxPool2dShape checked_shape(const Tensor& x, int64_t kernel, int64_t stride, int64_t padding) {
  const char* op = max_pool2d_op.name;
  check_defined(op, "x", x);
  if (x.dtype() != DType::s8) check_floating_point(op, "x", x);
  if (x.rank() != 4) argument_error(op, "x", x.describe(), "[B, H, W, C]", "add a batch dimension");
  if (kernel < 1 || kernel > max_pool2d_largest_kernel)
    argument_error(op, "kernel", std::to_string(kernel), "1 to 16", "");
  if (stride < 1) argument_error(op, "stride", std::to_string(stride), "at least 1", "");
  if (padding < 0 || 2 * padding > kernel)
    argument_error(op, "padding", std::to_string(padding),
                   "0 to " + std::to_string(kernel / 2) + ", half the kernel", "");
  if (std::min(x.size(1), x.size(2)) + 2 * padding < kernel || x.size(1) < 1 || x.size(2) < 1)
    argument_error(op, "x", x.describe(), "a padded image that holds one window",
                   "use a smaller kernel or more padding");
  return {x.size(1), x.size(2), x.size(3), kernel, stride, padding};
}

template <class T>
void backward_images(const Tensor& dy, const Tensor& argmax, const Tensor& dx,
                     const MaxPool2dShape& s) {
  const auto& best = kernel(max_pool2d_backward_kernels<T>());
  parallel_for(dx.size(0), grain_for(s.in_size()), [&](int64_t begin, int64_t end) {
    best.run(dy.data<T>() + begin * s.out_size(), argmax.data<uint8_t>() + begin * s.out_size(),
             dx.data<T>() + begin * s.in_size(), end - begin, s);
  });
}

struct Saved {
  MaxPool2dShape shape;
  Shape x;
  Tensor argmax;  // one byte an output: the tap that won
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  const Tensor dy = contiguous(gradient);
  const Tensor dx = Tensor::empty(saved.x, dy.dtype());
  visit_floating_point(dy.dtype(),
                       [&]<class T>() { backward_images<T>(dy, saved.argmax, dx, saved.shape); });
  inputs.add(0, dx);
}

void tie_axes(NodeAxes& n) {
  for (int dim : {0, 3}) n.tie({0, dim}, {NodeAxes::out, dim});
  for (int dim : {1, 2}) {
    n.fix({0, dim});
    n.fix({NodeAxes::out, dim});
  }
}

}  // namespace

Tensor max_pool2d(const Tensor& x, int64_t kernel, int64_t stride, int64_t padding) {
  const MaxPool2dShape s = checked_shape(x, kernel, stride, padding);
  const OpScope scope(max_pool2d_op.name, x);
  const Tensor in = contiguous(x.detach());
  const Shape out_shape = {x.size(0), s.out_height(), s.out_width(), s.channels};
  const Tensor y = Tensor::empty(out_shape, x.dtype());
  Tensor argmax;
  if (grad_enabled() && x.requires_grad()) argmax = Tensor::empty(out_shape, DType::u8);
  if (x.dtype() == DType::s8)
    codes_of_images(espalier::kernel(max_pool2d_s8_kernels()), in.data<int8_t>(), y.data<int8_t>(),
                    x.size(0), s);
  else
    visit_floating_point(x.dtype(), [&]<class T>() {
      forward_images<T>(espalier::kernel(max_pool2d_forward_kernels<T>()), in.data<T>(),
                        y.data<T>(), argmax.defined() ? argmax.data<uint8_t>() : nullptr, x.size(0),
                        s);
    });
  return record(max_pool2d_op, {{"kernel", kernel}, {"stride", stride}, {"padding", padding}}, {x},
                y, Saved{s, x.shape(), argmax});
}

void max_pool2d_derivatives(Derivatives& all) { all.add<derivative>(max_pool2d_op); }

void max_pool2d_onnx_forms(OnnxForms& all) { all.add(max_pool2d_op, onnx); }

void max_pool2d_axis_rules(AxisRules& all) { all.add(max_pool2d_op, tie_axes); }

}  // namespace espalier
