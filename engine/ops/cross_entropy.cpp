#include "engine/ops/cross_entropy.h"

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/launch_graph.h"
#include "engine/onnx_writer.h"
#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "kernels/cross_entropy/cross_entropy.h"

namespace espalier {
namespace {

// A maximum, an exponential counted as one, and three sums, for each element.
int64_t cross_entropy_flops(Shapes inputs, const Shape&) { return 8 * inputs[0].numel(); }

constexpr Op cross_entropy_op{"cross_entropy", cross_entropy_flops};

// What backward keeps.
struct Saved {
  Tensor logits, targets;
  double smoothing;
  int64_t rows() const { return logits.size(0); }
  int64_t classes() const { return logits.size(1); }

  // The targets of the rows from `row` on, as kernels take them.
  template <class T>
  CrossEntropyTarget<T> from(int64_t row) const {
    const T alpha = static_cast<T>(smoothing);
    if (targets.dtype() == DType::s64) return {targets.data<int64_t>() + row, nullptr, alpha};
    return {nullptr, targets.data<T>() + row * classes(), alpha};
  }
};

// The losses of all rows.
template <class T>
Tensor row_losses(const Saved& s) {
  const auto& best = kernel(cross_entropy_forward_kernels<T>());
  const Tensor loss = Tensor::empty({s.rows()}, s.logits.dtype());
  const T* x = s.logits.data<T>();
  T* out = loss.data<T>();
  const int64_t classes = s.classes();
  parallel_for(s.rows(), grain_for(classes), [&](int64_t begin, int64_t end) {
    best.run(x + begin * classes, s.from<T>(begin), out + begin, end - begin, classes);
  });
  return loss;
}

// The mean is taken in double and in the rows' order, so that it does not depend on threads.
template <class T>
Tensor mean_loss(const Saved& s) {
  const Tensor loss = row_losses<T>(s);
  if (on_cuda()) return mean(loss);  // there, so that nobody waits for it here
  double sum = 0;
  for (int64_t r = 0; r < s.rows(); ++r) sum += static_cast<double>(loss.data<T>()[r]);
  return Tensor::full({}, sum / static_cast<double>(s.rows()), loss.dtype());
}

template <class T>
void backward_rows(const Saved& s, double scale, const Tensor& dlogits) {
  const auto& best = kernel(cross_entropy_backward_kernels<T>());
  const T* x = s.logits.data<T>();
  T* dx = dlogits.data<T>();
  const int64_t classes = s.classes();
  parallel_for(s.rows(), grain_for(classes), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * classes;
    best.run(x + first, s.from<T>(begin), static_cast<T>(scale), dx + first, end - begin, classes);
  });
}

void check(const Tensor& logits, const Tensor& targets, double smoothing) {
  const char* op = cross_entropy_op.name;
  check_floating_point(op, "logits", logits);
  if (logits.rank() != 2 || logits.numel() == 0)
    argument_error(op, "logits", logits.describe(), "[B, C] with B and C at least 1", "");
  check_defined(op, "targets", targets);
  check_same_device(op, "targets", targets, logits);
  if (targets.dtype() == DType::s64) {
    check_shape(op, "targets", targets, {logits.size(0)});
    if (!records_launches()) check_class_indices(op, targets, logits.size(1));
  } else if (targets.dtype() == logits.dtype()) {
    check_shape(op, "targets", targets, logits.shape());
  } else {
    argument_error(op, "targets", targets.describe(),
                   std::string("s64 class indices [B] or ") + dtype_name(logits.dtype()) +
                       " probabilities [B, C]",
                   "convert it with to()");
  }
  if (grad_enabled() && targets.requires_grad())
    argument_error(op, "targets", "a tensor that requires a gradient", "constants",
                   "pass targets.detach()");
  if (!(smoothing >= 0 && smoothing <= 1))
    argument_error(op, "label_smoothing", std::to_string(smoothing), "a value in [0, 1]", "");
}

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  // What stands in a GPU's memory is multiplied there.
  const double scale = (on_cuda() ? 1 : gradient.item()) / static_cast<double>(saved.rows());
  const Tensor dlogits = Tensor::empty(saved.logits.shape(), saved.logits.dtype());
  visit_floating_point(dlogits.dtype(),
                       [&]<class T>() { backward_rows<T>(saved, scale, dlogits); });
  inputs.add(0, on_cuda() ? mul(dlogits, gradient) : dlogits);
}

}  // namespace

void check_class_indices(const char* op, const Tensor& targets, int64_t classes) {
  const Tensor here = targets.to(Device::cpu());
  const DeviceScope cpu(Device::cpu());
  const int64_t* index = here.data<int64_t>();
  const int64_t stride = here.strides()[0];
  for (int64_t r = 0; r < here.numel(); ++r) {
    const int64_t c = index[r * stride];
    if (c < 0 || c >= classes)
      argument_error(op, "targets", std::to_string(c) + " in row " + std::to_string(r),
                     "class indices in [0, " + std::to_string(classes) + ")",
                     "logits need a column for every class");
  }
}

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, double label_smoothing) {
  check(logits, targets, label_smoothing);
  const OpScope scope(cross_entropy_op.name, logits);
  const Saved saved{contiguous(logits.detach()), contiguous(targets.detach()), label_smoothing};
  const Tensor loss =
      visit_floating_point(logits.dtype(), [&]<class T>() { return mean_loss<T>(saved); });
  return record(cross_entropy_op, {{"label_smoothing", label_smoothing}}, {logits, targets}, loss,
                saved);
}

void cross_entropy_derivatives(Derivatives& all) { all.add<derivative>(cross_entropy_op); }

void cross_entropy_onnx_forms(OnnxForms&) {}

void cross_entropy_axis_rules(AxisRules&) {}

}  // namespace espalier
