#include "cl/methods/frozen.h"

namespace espalier {

void FrozenTrunk::shape(Learner& learner) {
  if (learner.task == 0 || frozen_) return;
  frozen_ = true;
  freeze_below(learner, learner.network->stages() - 1);
}

}  // namespace espalier
