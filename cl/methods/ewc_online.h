// Online elastic weight consolidation (Schwarz et al., 2018, 1805.06370, section 3.1; after
// Kirkpatrick et al., 2017, 1612.00796): weights that mattered are held where the last task left
// them,
//
//   loss + lambda / 2 * sum_i F_i (w_i - w*_i)^2,   F <- gamma F + F_task
//
// F_task is the diagonal of the empirical Fisher matrix: the mean over training images of the
// square of the one image's gradient, for its label, at the end of the task. (The paper's penalty
// has another factor gamma, which lambda takes in here.) Of the configuration, `lambda` and
// `gamma`. F and w* live in the optimiser's arena, so pruning moves them with the weights.
#pragma once

#include "cl/methods/method.h"

namespace espalier {

class OnlineEwc : public Method {
 public:
  explicit OnlineEwc(const LearnConfig& config) : lambda_(config.lambda), gamma_(config.gamma) {}
  void attach(Learner& learner) override;
  void adjust_gradients(Learner& learner, const StepBatch& batch) override;
  void after_task(Learner& learner) override;
  int64_t bytes_kept(const Learner& learner) const override;

 private:
  const double lambda_, gamma_;
  const Tensor* fisher_ = nullptr;  // companions of the arena, flat
  const Tensor* anchor_ = nullptr;
};

// The mean over `data` of each image's squared gradient, laid out as the optimiser's arena; of
// fisher_samples of them, spread evenly, where there are more. The same for any number of threads.
constexpr int64_t fisher_samples = 1024;
Tensor diagonal_fisher(const Learner& learner, const ImageDataset& data);

}  // namespace espalier
