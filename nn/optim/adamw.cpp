#include "nn/optim/adamw.h"

#include <cmath>
#include <new>

#include "engine/dispatch.h"
#include "engine/op.h"
#include "kernels/adamw/adamw.h"

namespace espalier {
namespace {

AdamWOptions checked(const AdamWOptions& options) {
  const auto require = [](bool holds, const char* name, double value, const char* expected) {
    if (!holds) argument_error("AdamW", name, std::to_string(value), expected, "");
  };
  require(options.beta1 >= 0 && options.beta1 < 1, "beta1", options.beta1, "in [0, 1)");
  require(options.beta2 >= 0 && options.beta2 < 1, "beta2", options.beta2, "in [0, 1)");
  require(options.epsilon > 0, "epsilon", options.epsilon, "> 0");
  require(options.weight_decay >= 0, "weight_decay", options.weight_decay, ">= 0");
  return options;
}

}  // namespace

AdamW::AdamW(const NamedTensors& parameters, const AdamWOptions& options, ParameterPolicy policy)
    : Optimizer(parameters, std::move(policy), options.lr),
      options_(checked(options)),
      first_moment_(arena().add_companion("exp_avg")),
      second_moment_(arena().add_companion("exp_avg_sq")) {}

int64_t AdamW::segment_numbers() const { return doubles_of<AdamWStep>(); }

void AdamW::write_segment_numbers(const SegmentStep& what, double* to) const {
  const auto t = static_cast<double>(what.step);
  const double beta1 = options_.beta1, beta2 = options_.beta2;
  visit_floating_point(arena().dtype(), [&]<class T>() {
    AdamWStep<T>& step = *new (to) AdamWStep<T>;
    step.decay = static_cast<T>(what.decay ? 1 - what.lr * options_.weight_decay : 1);
    step.beta1_complement = static_cast<T>(1 - beta1);
    step.beta2 = static_cast<T>(beta2);
    step.beta2_complement = static_cast<T>(1 - beta2);
    step.step_size = static_cast<T>(what.lr / (1 - std::pow(beta1, t)));
    step.inverse_root_bias2 = static_cast<T>(1 / std::sqrt(1 - std::pow(beta2, t)));
    step.epsilon = static_cast<T>(options_.epsilon);
    step.average_weight = static_cast<T>(what.average_weight);
  });
}

void AdamW::update(const Update& what) const {
  visit_floating_point(arena().dtype(), [&]<class T>() {
    const auto part = [&](const Tensor& flat) {
      return flat.defined() ? flat.data<T>() + what.begin : nullptr;
    };
    kernel(adamw_kernels<T>())
        .run(reinterpret_cast<const AdamWStep<T>*>(what.numbers), what.gradient_scale,
             part(arena().gradients()), part(arena().values()), part(first_moment_),
             part(second_moment_), part(what.average), what.end - what.begin);
  });
}

}  // namespace espalier
