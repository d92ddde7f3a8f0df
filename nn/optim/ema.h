// The exponential moving average of the weights (Polyak & Juditsky, 1992), whose decay warms up so
// that the first steps do not linger in it:
//
//   decay_t = min(decay, (1 + t) / (10 + t)),   average = decay_t average + (1 - decay_t) weight
//
// An optimiser's step() updates it in the pass that updates the weights.
#pragma once

#include "nn/optim/parameter_arena.h"

namespace espalier {

class WeightAverage {
 public:
  // Starts as a copy of the present weights, as the companion "average" of `arena`, which must
  // outlive it: the average moves and is saved with the optimiser's state. Throws an argument error
  // unless 0 <= decay < 1.
  WeightAverage(ParameterArena& arena, double decay, bool warm_up = true);

  // The decay of step t, from 1.
  double decay_at(int64_t step) const noexcept;

  const Tensor& values() const noexcept { return values_; }
  // The averaged parameters under their names and in their shapes, sharing memory: for
  // load_state_dict() of a second model. rebuild() makes them stale.
  NamedTensors named_values() const { return arena_.views_of(values_); }

 private:
  const ParameterArena& arena_;
  double decay_;
  bool warm_up_;
  const Tensor& values_;
};

}  // namespace espalier
