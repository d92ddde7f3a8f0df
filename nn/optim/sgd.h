// Stochastic gradient descent with momentum, in PyTorch's form (kernels/sgd/sgd.h).
#pragma once

#include "nn/optim/optimizer.h"

namespace espalier {

struct SgdOptions {
  double lr = 0.1;
  double momentum = 0.9;      // >= 0; without it there is no velocity to keep
  bool nesterov = false;      // needs momentum
  double weight_decay = 0.0;  // >= 0; on the segments that decay
  bool decoupled = false;     // decay the weight itself, rather than add to its gradient
};

class Sgd : public Optimizer {
 public:
  // Throws an argument error when an option is out of range.
  explicit Sgd(const NamedTensors& parameters, const SgdOptions& options = {},
               ParameterPolicy policy = decay_matrices);

 protected:
  int64_t segment_numbers() const override;
  void write_segment_numbers(const SegmentStep& what, double* to) const override;
  void update(const Update& what) const override;

 private:
  SgdOptions options_;
  const Tensor* velocity_ = nullptr;  // a companion of the arena, which keeps it up to date
};

}  // namespace espalier
