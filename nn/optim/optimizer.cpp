#include "nn/optim/optimizer.h"

#include <algorithm>
#include <cmath>

#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/op.h"
#include "engine/parallel.h"
#include "kernels/grad_norm/grad_norm.h"
#include "nn/named_tensors.h"
#include "nn/optim/ema.h"

namespace espalier {
namespace {

// In blocks of fixed size, added in order: the same for any number of threads.
template <class T>
double sum_of_squares(const T* x, int64_t count) {
  const auto& best = kernel(sums_of_squares_kernels<T>());
  const Tensor sums = Tensor::empty({grad_norm_blocks(count)}, DType::f64);
  parallel_for(sums.numel(), 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * grad_norm_block;
    best.run(x + first, std::min(end * grad_norm_block, count) - first,
             sums.data<double>() + begin);
  });
  const Tensor here = sums.to(Device::cpu());
  const DeviceScope cpu(Device::cpu());
  double total = 0;
  for (int64_t b = 0; b < here.numel(); ++b) total += here.data<double>()[b];
  return total;
}

}  // namespace

Optimizer::Optimizer(const NamedTensors& parameters, ParameterPolicy policy, double lr)
    : arena_(parameters, std::move(policy)) {
  set_lr(lr);
}

void Optimizer::set_lr(double lr) {
  if (!(lr >= 0) || !std::isfinite(lr))
    argument_error("set_lr", "lr", std::to_string(lr), "a finite number >= 0", "");
  lr_ = lr;
}

void Optimizer::zero_grad() {
  arena_.zero_gradients();
  gradient_scale_ = 1;
}

double Optimizer::clip_grad_norm(double max_norm, double loss_scale) {
  if (!(max_norm > 0))
    argument_error("clip_grad_norm", "max_norm", std::to_string(max_norm), "a number > 0", "");
  if (!(loss_scale > 0))
    argument_error("clip_grad_norm", "loss_scale", std::to_string(loss_scale), "a number > 0", "");
  const OpScope scope("clip_grad_norm", arena_.values());
  double sum = 0;
  for (const ParameterArena::Segment& segment : arena_.segments())
    if (!segment.options.frozen)
      visit_floating_point(arena_.dtype(), [&]<class T>() {
        sum += sum_of_squares(arena_.gradients().data<T>() + segment.begin,
                              segment.end - segment.begin);
      });
  const double norm = std::sqrt(sum) / loss_scale;
  // PyTorch's guard, which also keeps a gradient just at the limit under it.
  gradient_scale_ =
      std::isfinite(norm) ? std::min(1.0, max_norm / (norm + 1e-6)) / loss_scale : norm;
  return norm;
}

void Optimizer::step(WeightAverage* average) {
  if (!std::isfinite(gradient_scale_))
    throw Error(ErrorKind::numeric,
                "step: a gradient is not finite; expected finite gradients; lower the learning "
                "rate, or skip the step by calling zero_grad()");
  const OpScope scope("optimizer_step", arena_.values());
  ++steps_;
  const double average_weight = average ? 1 - average->decay_at(steps_) : 0;
  for (const ParameterArena::Segment& segment : arena_.segments()) {
    if (segment.options.frozen) continue;
    Update what = {
        segment.begin,   segment.end, lr_ * segment.options.lr_scale,         segment.options.decay,
        gradient_scale_, steps_,      average ? average->values() : Tensor(), average_weight};
    parallel_for(segment.end - segment.begin, grain_for(1), [&](int64_t begin, int64_t end) {
      Update part = what;
      part.begin = what.begin + begin;
      part.end = what.begin + end;
      update(part);
    });
  }
  if (on_cuda()) check_launches("optimizer_step");
  gradient_scale_ = 1;
}

NamedTensors Optimizer::state_dict() const {
  NamedTensors state = arena_.companion_state();
  state.emplace_back("step", Tensor::of<int64_t>({steps_}, {1}));
  return state;
}

void Optimizer::load_state_dict(const NamedTensors& state) {
  const Tensor steps = Tensor::zeros({1}, DType::s64);
  NamedTensors target = arena_.companion_state();
  target.emplace_back("step", steps);
  copy_named("Optimizer::load_state_dict", target, state);
  steps_ = *steps.data<int64_t>();
  gradient_scale_ = 1;
}

void Optimizer::rebuild(const NamedTensors& parameters, const IndexMap& kept) {
  arena_.rebuild(parameters, kept);
  gradient_scale_ = 1;
}

}  // namespace espalier
