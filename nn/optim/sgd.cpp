#include "nn/optim/sgd.h"

#include "engine/dispatch.h"
#include "engine/op.h"
#include "kernels/sgd/sgd.h"

namespace espalier {
namespace {

SgdOptions checked(const SgdOptions& options) {
  const auto require = [](bool holds, const char* name, double value, const char* expected) {
    if (!holds) argument_error("Sgd", name, std::to_string(value), expected, "");
  };
  require(options.momentum >= 0, "momentum", options.momentum, ">= 0");
  require(options.momentum > 0 || !options.nesterov, "momentum", options.momentum,
          "> 0 with nesterov");
  require(options.weight_decay >= 0, "weight_decay", options.weight_decay, ">= 0");
  return options;
}

}  // namespace

Sgd::Sgd(const NamedTensors& parameters, const SgdOptions& options, ParameterPolicy policy)
    : Optimizer(parameters, std::move(policy), options.lr), options_(checked(options)) {
  if (options.momentum > 0) velocity_ = &arena().add_companion("momentum_buffer");
}

int64_t Sgd::segment_numbers() const { return doubles_of<SgdStep>(); }

void Sgd::write_segment_numbers(const SegmentStep& what, double* to) const {
  const double weight_decay = what.decay ? options_.weight_decay : 0;
  visit_floating_point(arena().dtype(), [&]<class T>() {
    SgdStep<T>& step = *new (to) SgdStep<T>;
    step.l2 = static_cast<T>(options_.decoupled ? 0 : weight_decay);
    step.decay = static_cast<T>(options_.decoupled ? 1 - what.lr * weight_decay : 1);
    step.momentum = static_cast<T>(options_.momentum);
    step.lr = static_cast<T>(what.lr);
    step.average_weight = static_cast<T>(what.average_weight);
    step.nesterov = options_.nesterov;
  });
}

void Sgd::update(const Update& what) const {
  visit_floating_point(arena().dtype(), [&]<class T>() {
    const auto part = [&](const Tensor& flat) {
      return flat.defined() ? flat.data<T>() + what.begin : nullptr;
    };
    kernel(sgd_kernels<T>())
        .run(reinterpret_cast<const SgdStep<T>*>(what.numbers), what.gradient_scale,
             part(arena().gradients()), part(arena().values()),
             velocity_ ? part(*velocity_) : nullptr, part(what.average), what.end - what.begin);
  });
}

}  // namespace espalier
