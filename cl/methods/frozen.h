// Experience replay for the classifier alone: after the first task everything before the last stage
// is frozen. A control for methods that adapt a pretrained network.
#pragma once

#include "cl/methods/er.h"

namespace espalier {

class FrozenTrunk : public ExperienceReplay {
 public:
  using ExperienceReplay::ExperienceReplay;
  void shape(Learner& learner) override;

 private:
  bool frozen_ = false;
};

}  // namespace espalier
