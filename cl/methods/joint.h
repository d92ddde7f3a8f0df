// The upper bound: the training images of all tasks at once, independently drawn, for as many
// epochs as the first task takes otherwise. Nothing is left to learn after the first task, so every
// later row of the accuracy matrix repeats the one after it.
#pragma once

#include "cl/methods/method.h"

namespace espalier {

class JointTraining : public Method {
 public:
  explicit JointTraining(const LearnConfig&) {}
  Stream taught(Stream stream) const override;
};

}  // namespace espalier
