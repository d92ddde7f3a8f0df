#include "nn/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/op.h"
#include "engine/parallel.h"
#include "engine/staging.h"
#include "nn/named_tensors.h"
#include "nn/optim/ema.h"

namespace espalier {
namespace {

constexpr int64_t limit_numbers = sizeof(NormLimits) / sizeof(double);

// In blocks of fixed size, added in order: the same for any number of threads.
template <class T>
void add_squares(const T* x, int64_t count, double* total) {
  const auto& best = kernel(sums_of_squares_kernels<T>());
  const Tensor sums = Tensor::empty({grad_norm_blocks(count)}, DType::f64);
  double* blocks = sums.data<double>();
  parallel_for(sums.numel(), 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * grad_norm_block;
    best.run(x + first, std::min(end * grad_norm_block, count) - first, blocks + begin);
  });
  kernel(fold_sums_kernels()).run(blocks, sums.numel(), total);
}

// `count` doubles for `device`, as `write` leaves them.
Tensor doubles_for(Device device, int64_t count, FunctionRef<void(double*)> write) {
  const Tensor staged = staging_tensor({count}, DType::f64, device);
  {
    const DeviceScope here(Device::cpu());
    write(staged.data<double>());
  }
  return sent_to(device, staged);
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
  const Device device = arena_.values().device();
  const Tensor limits = doubles_for(device, limit_numbers, [&](double* to) {
    new (to) NormLimits{max_norm, loss_scale};
  });
  const OpScope scope("clip_grad_norm", arena_.values());
  const Tensor outcome = Tensor::zeros({sizeof(StepOutcome) / sizeof(double)}, DType::f64);
  find_norm(reinterpret_cast<const NormLimits*>(limits.data<double>()),
            reinterpret_cast<StepOutcome*>(outcome.data<double>()));
  const Tensor here = outcome.to(Device::cpu());
  const DeviceScope cpu(Device::cpu());
  const auto* found = reinterpret_cast<const StepOutcome*>(here.data<double>());
  gradient_scale_ = found->gradient_scale;
  return found->norm;
}

void Optimizer::find_norm(const NormLimits* limits, StepOutcome* outcome) const {
  for (const ParameterArena::Segment& segment : arena_.segments())
    if (!segment.options.frozen)
      visit_floating_point(arena_.dtype(), [&]<class T>() {
        add_squares(arena_.gradients().data<T>() + segment.begin, segment.end - segment.begin,
                    &outcome->sum_of_squares);
      });
  kernel(clip_norm_kernels()).run(limits, outcome);
}

void Optimizer::step(const WeightAverage* average) {
  if (!std::isfinite(gradient_scale_))
    throw Error(ErrorKind::numeric,
                "step: a gradient is not finite; expected finite gradients; lower the learning "
                "rate, or skip the step by calling zero_grad()");
  const Tensor sent = doubles_for(arena_.values().device(), 2 + numbers(), [&](double* to) {
    to[0] = gradient_scale_;
    to[1] = 1;
    write_numbers({}, average, to + 2);
  });
  const OpScope scope("optimizer_step", arena_.values());
  const double* at = sent.data<double>();
  update_segments(at + 2, at, at + 1, average);
  if (on_cuda()) check_launches("optimizer_step");
  count_step();
}

int64_t Optimizer::numbers() const {
  int64_t count = limit_numbers;
  for (const ParameterArena::Segment& segment : arena_.segments())
    if (!segment.options.frozen) count += segment_numbers();
  return count;
}

void Optimizer::write_numbers(const NormLimits& limits, const WeightAverage* average,
                              double* to) const {
  new (to) NormLimits(limits);
  to += limit_numbers;
  const int64_t step = steps_ + 1;
  const double average_weight = average ? 1 - average->decay_at(step) : 0;
  for (const ParameterArena::Segment& segment : arena_.segments()) {
    if (segment.options.frozen) continue;
    const ParameterOptions& options = segment.options;
    write_segment_numbers(
        {lr_ * options.lr_scale, options.decay, options.orthogonal, step, average_weight}, to);
    to += segment_numbers();
  }
}

void Optimizer::update_segments(const double* numbers, const double* gradient_scale,
                                const double* unit_scale, const WeightAverage* average) const {
  numbers += limit_numbers;
  for (const ParameterArena::Segment& segment : arena_.segments()) {
    if (segment.options.frozen) continue;
    update_segment({segment.begin, segment.end, numbers, gradient_scale, unit_scale,
                    segment.options.orthogonal, average ? average->values() : Tensor()});
    numbers += segment_numbers();
  }
}

void Optimizer::update_segment(const Update& what) const {
  for_parts(what, [&](const Update& part) { update(part); });
}

void Optimizer::for_parts(const Update& what, FunctionRef<void(const Update&)> f) {
  parallel_for(what.end - what.begin, grain_for(1), [&](int64_t begin, int64_t end) {
    Update part = what;
    part.begin = what.begin + begin;
    part.end = what.begin + end;
    f(part);
  });
}

void Optimizer::clip_and_update(const double* numbers, const WeightAverage* average,
                                StepOutcome* outcome) const {
  const OpScope scope("optimizer_step", arena_.values());
  find_norm(reinterpret_cast<const NormLimits*>(numbers), outcome);
  update_segments(numbers, &outcome->gradient_scale, &outcome->unit_scale, average);
  if (on_cuda()) check_launches("optimizer_step");
}

void Optimizer::count_step() noexcept {
  ++steps_;
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
