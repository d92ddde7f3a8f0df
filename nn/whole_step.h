// The steps of a training, one after another: gradients of a batch, their norm, the update.
#pragma once

#include <functional>
#include <memory>

#include "engine/precision.h"
#include "engine/recycled.h"
#include "nn/optim/optimizer.h"

namespace espalier {

// What one step is to be.
struct StepOptions {
  int64_t chunk_size;
  uint64_t seed;  // of what its chunks draw at random
  NormLimits limits{};
  Precision precision = Precision::f32;       // of the products
  std::function<void()> meanwhile = nullptr;  // as GradientOptions have it
};

// What came of it.
struct StepResult {
  double loss;
  double grad_norm;  // of the loss, before clipping
  // Whether both are finite. Else weights, moments, averages and the optimiser's count of steps are
  // what they were.
  bool updated;
};

// On a GPU the decision about a step is taken there, and the processor hears of loss and norm when
// all of it is done. What changes from one to the next (seed, limits, learning rate, the count of
// steps) is sent ahead in one piece. The second step of a kind is recorded (engine/launch_graph.h),
// behind a first that was given kernel by kernel; from then on a batch is copied to where the
// recording reads it and the step launched as a whole, with the same bits. A kind is what a
// recording holds fast: shapes and dtypes of the batch, the chunks, the precision, where the arena
// lies.
class WholeStep {
 public:
  // Of the samples [begin, end) of `batch`.
  using BatchLoss =
      FunctionRef<Tensor(const RecycledVector<Tensor>& batch, int64_t begin, int64_t end)>;

  explicit WholeStep(bool recorded);
  ~WholeStep();

  // Along the first dimension of each tensor of `batch` stand its samples. `average` may be null.
  StepResult run(const RecycledVector<Tensor>& batch, Optimizer& optimizer,
                 const WeightAverage* average, const StepOptions& options, BatchLoss loss);
  // When what `loss` reads beside the batch, or what it does, is no longer what it was, or the
  // arena has been rebuilt.
  void forget() noexcept;
  // Steps that were launched as a whole.
  int64_t launched() const noexcept { return launched_; }

 private:
  struct Kind;
  struct OnGpu;

  bool recorded_;
  int64_t launched_ = 0;
  std::unique_ptr<OnGpu> on_gpu_;  // of the last step
};

}  // namespace espalier
