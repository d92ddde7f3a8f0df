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

void Sgd::update(const Update& what) const {
  const double weight_decay = what.decay ? options_.weight_decay : 0;
  visit_floating_point(arena().dtype(), [&]<class T>() {
    SgdStep<T> step;
    step.gradient_scale = static_cast<T>(what.gradient_scale);
    step.l2 = static_cast<T>(options_.decoupled ? 0 : weight_decay);
    step.decay = static_cast<T>(options_.decoupled ? 1 - what.lr * weight_decay : 1);
    step.momentum = static_cast<T>(options_.momentum);
    step.lr = static_cast<T>(what.lr);
    step.average_weight = static_cast<T>(what.average_weight);
    step.nesterov = options_.nesterov;
    kernel(sgd_kernels<T>())
        .run(step, arena().gradients().data<T>() + what.begin,
             arena().values().data<T>() + what.begin,
             velocity_ ? velocity_->data<T>() + what.begin : nullptr,
             what.average.defined() ? what.average.data<T>() + what.begin : nullptr,
             what.end - what.begin);
  });
}

}  // namespace espalier
