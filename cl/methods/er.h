// Experience replay (Chaudhry et al., 2019, 1902.10486): samples from memory join those of the
// stream in every step, and all count alike.
#pragma once

#include "cl/methods/method.h"

namespace espalier {

class ExperienceReplay : public Method {
 public:
  explicit ExperienceReplay(const LearnConfig&) {}
  bool uses_memory() const override { return true; }
  int draws() const override { return 1; }
};

}  // namespace espalier
