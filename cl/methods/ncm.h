// A frozen network with nearest class means (Mensink et al., 2013, equation 3): the first task
// trains it; then each class is the mean of its training images' features, scaled to unit length,
// and an image is of the class whose mean is nearest. It keeps no images and forgets nothing.
#pragma once

#include "cl/methods/method.h"

namespace espalier {

class NearestClassMean : public Method {
 public:
  explicit NearestClassMean(const LearnConfig&) {}
  bool trains(const Learner& learner) const override { return learner.task == 0; }
  void after_task(Learner& learner) override;
  // The negative square of the distance; -Inf for a class that was not seen.
  Tensor scores(const Learner& learner, const Tensor& images) const override;
  bool survives_pruning() const override { return false; }
  NamedTensors state_dict() const override;
  void load_state_dict(const Learner& learner, const NamedTensors& state) override;

 private:
  Tensor sums_{};    // f64 [classes, F], of the features of each class
  Tensor counts_{};  // s64 [classes]
};

}  // namespace espalier
