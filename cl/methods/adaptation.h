// Experience replay through something that is added to a network: the first task trains the whole
// Vision Transformer; then it is given a part that begins as nothing, or next to it, and every
// later task trains that part, with the classifier, and leaves the rest as it is.
#pragma once

#include "cl/methods/er.h"

namespace espalier {

class Adaptation : public ExperienceReplay {
 public:
  using ExperienceReplay::ExperienceReplay;
  // An argument error for another network.
  void attach(Learner& learner) final;
  void shape(Learner& learner) final;

 protected:
  // Adds it, and says what learns from here on.
  virtual ParameterPolicy adapt(Learner& learner, Generator& generator) = 0;

 private:
  bool adapted_ = false;
};

}  // namespace espalier
