// What every optimiser does: gradients in, one fused update of each segment of the arena out.
#pragma once

#include "engine/op.h"
#include "kernels/grad_norm/grad_norm.h"
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
  void step(const WeightAverage* average = nullptr);

  // ---- both at once, which a GPU may do without the processor (nn/whole_step.h) ----

  // What changes from one step to the next takes so many doubles, and these are the next step's, at
  // the present learning rate.
  int64_t numbers() const;
  void write_numbers(const NormLimits& limits, const WeightAverage* average, double* to) const;
  // Numbers and outcome lie where the arena does. Of the outcome stands the loss, beside zeros.
  // Where that or a gradient is not finite, nothing is touched; else count_step() is called when
  // that is known.
  void clip_and_update(const double* numbers, const WeightAverage* average,
                       StepOutcome* outcome) const;
  void count_step() noexcept;

  // The arena's companions (moments, averages) and "step". Construct what belongs to the arena
  // before loading. A learning rate is the schedule's to give, and weights are the module's.
  NamedTensors state_dict() const;
  void load_state_dict(const NamedTensors& state);

  // See ParameterArena::rebuild. The count of steps goes on.
  void rebuild(const NamedTensors& parameters, const IndexMap& kept);

 protected:
  Optimizer(const NamedTensors& parameters, ParameterPolicy policy, double lr);

  // What one step is for a segment.
  struct SegmentStep {
    double lr;              // the segment's own
    bool decay;             // weight decay applies
    bool orthogonal;        // as ParameterOptions has it
    int64_t step;           // from 1
    double average_weight;  // how far the average moves towards the new value
  };
  // The numbers of a step that an optimiser makes of that, in doubles.
  virtual int64_t segment_numbers() const = 0;
  virtual void write_segment_numbers(const SegmentStep& what, double* to) const = 0;

  // What it does with them for elements [begin, end) of the arena. The numbers, and what gradients
  // are multiplied by, lie where the arena does.
  struct Update {
    int64_t begin, end;
    const double *numbers, *gradient_scale;
    const double* unit_scale;  // 1, or NaN where gradient_scale is not finite
    bool orthogonal;           // as ParameterOptions has it
    Tensor average;            // the weight average's array, or undefined
  };
  virtual void update(const Update& what) const = 0;
  // The same for a whole segment; unless overridden, part by part.
  virtual void update_segment(const Update& what) const;
  // Calls f with the parts of `what`, on many threads.
  static void for_parts(const Update& what, FunctionRef<void(const Update&)> f);

  // How many doubles a Step of the arena's type takes.
  template <template <class> class Step>
  int64_t doubles_of() const {
    int64_t count = 0;
    visit_floating_point(arena_.dtype(), [&]<class T>() {
      static_assert(alignof(Step<T>) <= alignof(double));
      count = static_cast<int64_t>((sizeof(Step<T>) + sizeof(double) - 1) / sizeof(double));
    });
    return count;
  }

 private:
  void find_norm(const NormLimits* limits, StepOutcome* outcome) const;
  void update_segments(const double* numbers, const double* gradient_scale,
                       const double* unit_scale, const WeightAverage* average) const;

  ParameterArena arena_;
  double lr_ = 0;
  double gradient_scale_ = 1;
  int64_t steps_ = 0;
};

}  // namespace espalier
