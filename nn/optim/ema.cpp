#include "nn/optim/ema.h"

#include <algorithm>

namespace espalier {
namespace {

double checked(double decay) {
  if (!(decay >= 0 && decay < 1))
    argument_error("WeightAverage", "decay", std::to_string(decay), "in [0, 1)", "");
  return decay;
}

}  // namespace

WeightAverage::WeightAverage(ParameterArena& arena, double decay, bool warm_up)
    : arena_(arena),
      decay_(checked(decay)),
      warm_up_(warm_up),
      values_(arena.add_companion("average")) {
  values_.copy_(arena.values());
}

double WeightAverage::decay_at(int64_t step) const noexcept {
  const auto t = static_cast<double>(step);
  return warm_up_ ? std::min(decay_, (1 + t) / (10 + t)) : decay_;
}

}  // namespace espalier
