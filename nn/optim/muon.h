// Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024): of each
// matrix's momentum only the directions count, not how far the gradient reaches along each. With
// g the gradient and b its momentum,
//
//   b = momentum b + g
//   u = g + momentum b if nesterov, else b
//   p = (1 - lr weight_decay) p - lr 0.2 sqrt(max(N, K)) orthogonalized(u)     p is [N, K]
//
// The factor makes a step as long as AdamW's (Liu et al., "Muon is scalable for LLM training",
// 2502.16982, equation 4), so that a learning rate and a weight decay suit both. It is PyTorch's
// Muon with adjust_lr_fn "match_rms_adamw". What is no matrix takes AdamW's steps.
#pragma once

#include "nn/optim/adamw.h"

namespace espalier {

struct MuonOptions {
  double lr = 1e-3;
  double momentum = 0.95;  // in [0, 1)
  bool nesterov = true;
  double weight_decay = 0.1;          // >= 0; on the segments that decay
  double beta1 = 0.9, beta2 = 0.999;  // AdamW's, in [0, 1)
  double epsilon = 1e-8;              // AdamW's, > 0
};

// decay_matrices(), and orthogonal steps for the matrices of hidden layers: not for a "head.weight"
// nor for what is one row or one column. Filters [N, H, W, K] count as matrices [N, HWK].
ParameterOptions orthogonal_matrices(const std::string& name, const Tensor& parameter);

// x [N, K] with its singular values brought near 1: to between 0.68 and 1.21, those under 0.003 of
// their root sum of squares to less, and 0 stays 0. Five steps of a quintic Newton-Schulz
// iteration, with the coefficients of the first source, which need matrix products alone. x: f32 or
// f64.
Tensor orthogonalized(const Tensor& x);

class Muon : public AdamW {
 public:
  // Throws an argument error when an option is out of range.
  explicit Muon(const NamedTensors& parameters, const MuonOptions& options = {},
                ParameterPolicy policy = orthogonal_matrices);

 protected:
  int64_t segment_numbers() const override;
  void write_segment_numbers(const SegmentStep& what, double* to) const override;
  void update_segment(const Update& what) const override;

 private:
  void orthogonalize(const Tensor& flat, int64_t begin) const;
  template <class T>
  void orthogonal_update(const Update& what) const;

  MuonOptions options_;
};

}  // namespace espalier
