#include "engine/ops/relu.h"

#include "engine/dispatch.h"
#include "engine/op.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/profiler.h"
#include "kernels/relu/relu.h"

namespace espalier {
namespace {

// One comparison an element.
int64_t relu_flops(Shapes inputs, const Shape&) { return inputs[0].numel(); }

constexpr Op relu_op{"relu", relu_flops};

template <class T>
void forward_elements(const Tensor& x, const Tensor& y) {
  const auto& best = kernel(relu_forward_kernels<T>());
  parallel_for(x.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(x.data<T>() + begin, y.data<T>() + begin, end - begin);
  });
}

template <class T>
void backward_elements(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  const auto& best = kernel(relu_backward_kernels<T>());
  parallel_for(y.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(y.data<T>() + begin, dy.data<T>() + begin, dx.data<T>() + begin, end - begin);
  });
}

}  // namespace

Tensor relu(const Tensor& x) {
  check_floating_point(relu_op.name, "x", x);
  const profiler::Scope scope(relu_op.name);
  const Tensor in = contiguous(x.detach());
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() { forward_elements<T>(in, y); });
  // Backward keeps y alone.
  return record(
      relu_op, {}, {x}, y, [y = y.detach()](const Tensor& gradient, InputGradients& inputs) {
        const Tensor dy = contiguous(gradient);
        const Tensor dx = Tensor::empty(y.shape(), y.dtype());
        visit_floating_point(y.dtype(), [&]<class T>() { backward_elements<T>(y, dy, dx); });
        inputs.add(0, dx);
      });
}

}  // namespace espalier
