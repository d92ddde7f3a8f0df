#include "cl/methods/der_pp.h"

namespace espalier {

double DarkReplayWithLabels::weight(const StepBatch& batch, size_t group) const {
  return labelled(group) ? beta_ : DarkReplay::weight(batch, group);
}

Tensor DarkReplayWithLabels::loss(const Learner& learner, const BatchPart& part) const {
  return labelled(part.group) ? Method::loss(learner, part) : DarkReplay::loss(learner, part);
}

}  // namespace espalier
