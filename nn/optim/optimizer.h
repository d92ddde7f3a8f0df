// What every optimiser does: gradients in, one fused update of each segment of the arena out.
#pragma once

#include "nn/optim/parameter_arena.h"

namespace espalier {

class WeightAverage;  // nn/optim/ema.h

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  ParameterArena& arena() noexcept { return arena_; }
  const ParameterArena& arena() const noexcept { return arena_; }

  double lr() const noexcept { return lr_; }
  void set_lr(double lr);  // finite and >= 0
  int64_t steps_done() const noexcept { return steps_; }

  void zero_grad();

  // The 2-norm of all gradients that are not frozen. Where it is above `max_norm` the next step()
  // scales them down to it, in its own pass; the gradients themselves stay as they are. A norm that
  // is not finite means that a gradient is not, and the next step() will refuse.
  //
  // Where gradients are those of `loss_scale` times the loss, norm and limit are those of the loss,
  // and so is the next step(): for a power of two to the bit.
  double clip_grad_norm(double max_norm, double loss_scale = 1);

  // Updates every parameter that is not frozen, and `average` with them, in one pass. Throws a
  // numeric error, with nothing touched, when clip_grad_norm() found a gradient that is not finite.
  void step(WeightAverage* average = nullptr);

  // The arena's companions (moments, averages) and "step". Construct what belongs to the arena
  // before loading. A learning rate is the schedule's to give, and weights are the module's.
  NamedTensors state_dict() const;
  void load_state_dict(const NamedTensors& state);

  // See ParameterArena::rebuild. The count of steps goes on.
  void rebuild(const NamedTensors& parameters, const IndexMap& kept);

 protected:
  Optimizer(const NamedTensors& parameters, ParameterPolicy policy, double lr);

  // What one step asks of an optimiser for elements [begin, end) of a segment.
  struct Update {
    int64_t begin, end;
    double lr;              // the segment's own
    bool decay;             // weight decay applies
    double gradient_scale;  // multiply gradients by this
    int64_t step;           // from 1
    Tensor average;         // the weight average's array, or undefined
    double average_weight;  // how far the average moves towards the new value
  };
  virtual void update(const Update& what) const = 0;

 private:
  ParameterArena arena_;
  double lr_ = 0;
  double gradient_scale_ = 1;
  int64_t steps_ = 0;
};

}  // namespace espalier
