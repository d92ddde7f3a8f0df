// AdamW: Adam with decoupled weight decay (Loshchilov & Hutter, ICLR 2019, arXiv 1711.05101), in
// PyTorch's order (kernels/adamw/adamw.h).
#pragma once

#include "nn/optim/optimizer.h"

namespace espalier {

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;  // in [0, 1)
  double epsilon = 1e-8;              // > 0
  double weight_decay = 0.01;         // >= 0; on the segments that decay
};

class AdamW : public Optimizer {
 public:
  // Throws an argument error when an option is out of range.
  explicit AdamW(const NamedTensors& parameters, const AdamWOptions& options = {},
                 ParameterPolicy policy = decay_matrices);

 protected:
  int64_t segment_numbers() const override;
  void write_segment_numbers(const SegmentStep& what, double* to) const override;
  void update(const Update& what) const override;

  const Tensor& first_moment() const noexcept { return first_moment_; }

 private:
  AdamWOptions options_;
  const Tensor& first_moment_;  // companions of the arena, which keeps them up to date
  const Tensor& second_moment_;
};

}  // namespace espalier
