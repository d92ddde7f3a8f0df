// Experience replay with asymmetric cross-entropy (Caccia et al., 2021, 2104.05025, equation 3):
// new rows compete among the classes of the incoming batch alone, so that they push no old class
// away; replayed rows among all classes seen,
//
//   CE(new rows; classes of the batch) + CE(replayed rows; all classes so far)
//
// With nothing to replay there is no asymmetry either: plain cross-entropy over all classes.
#pragma once

#include "cl/methods/method.h"

namespace espalier {

class AsymmetricReplay : public Method {
 public:
  explicit AsymmetricReplay(const LearnConfig&) {}
  bool uses_memory() const override { return true; }
  int draws() const override { return 1; }
  double weight(const StepBatch&, size_t) const override { return 1; }
  Tensor loss(const Learner& learner, const BatchPart& part) const override;
};

}  // namespace espalier
